"""Finite scalar quantization: levels, codes and the gradient."""

import pytest
import torch

from frozenvl.model.vision.scalar_quantization import ScalarQuantization
from frozenvl.util.errors import UserError


def test_values_are_rounded_to_the_nearest_level_after_tanh():
    rounding = ScalarQuantization([3, 2])
    latents = torch.tensor([[0.2, 0.2], [0.6, -0.1], [-9.0, 9.0]])  # tanh: 0.197, 0.537, -1
    expected = torch.tensor([[0.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert torch.equal(rounding(latents), expected)


def test_codes_and_latents_correspond():
    rounding = ScalarQuantization([3, 4, 2])
    codes = torch.arange(24).reshape(2, 3, 4)
    latents = rounding.to_latents(codes)
    assert (
        latents.shape == (2, 3, 3, 4)
        and len({*map(tuple, latents.movedim(1, -1).reshape(24, 3).tolist())}) == 24
    )
    assert torch.equal(rounding.to_codes(latents), codes)
    assert torch.equal(rounding.to_codes(latents.bfloat16()), codes)
    # The digits of 17 = 2 + 3 · (1 + 4 · 1): levels 2 of 3, 1 of 4, 1 of 2.
    assert rounding.to_latents(torch.tensor([17]))[0].tolist() == pytest.approx([1, -1 / 3, 1])


def test_values_beyond_the_levels_get_the_nearest_code():
    assert ScalarQuantization([3, 2]).to_codes(torch.tensor([[-7.0, 4.0], [0.4, -3.0]])).tolist() == [3, 1]


def test_the_gradient_is_the_one_of_tanh():
    latents = torch.tensor([[0.3, -1.2]], requires_grad=True)
    ScalarQuantization([5, 5])(latents).sum().backward()
    assert torch.allclose(latents.grad, 1 - torch.tanh(torch.tensor([[0.3, -1.2]])) ** 2)


def test_a_channel_of_one_level_is_refused():
    with pytest.raises(UserError, match=r"levels is \[1\]"):
        ScalarQuantization([1])
