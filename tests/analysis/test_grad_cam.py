"""Grad-CAM."""

import pytest
import torch

from frozenvl.analysis.grad_cam import GradCAM
from frozenvl.util.errors import UserError

pytest.importorskip("captum")


def by_hand(function, target):
    """Returns ReLU(Σ mean gradient of a channel · channel) of the last feature map."""
    vision = function.model.vision
    kept = []
    hook = vision.feature_map.register_forward_hook(lambda module, inputs, out: kept.append(out))
    pixels = function.at("pixel").clone().requires_grad_()
    value = function(pixels)[0, target]
    hook.remove()
    (gradient,) = torch.autograd.grad(value, kept[0])
    return (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].relu().detach()


@pytest.mark.parametrize("grid", [1, 2])
def test_it_is_the_weighted_sum_of_channels(grid, model_of, function_of):
    from functools import partial

    from frozenvl.model.mappers import MLP

    function = function_of(model_of(partial(MLP, hidden=16), 4, grid))
    maps = GradCAM().maps(function)
    assert maps.values.shape[1:] == by_hand(function, 0).shape and maps.values.max() > 0
    for target in range(2):
        assert torch.allclose(maps.values[target], by_hand(function, target), rtol=1e-3, atol=1e-7)


def test_encoders_without_a_map_are_refused(model_of, function_of):
    from frozenvl.model.mappers import Linear

    function = function_of(model_of(Linear, 4, "head"))
    with pytest.raises(
        UserError, match=r"no last feature map that its features are averaged from.*occlusion"
    ):
        GradCAM().maps(function)
