"""Shapley values."""

from itertools import permutations

import pytest
import torch
from linear import linear_in_prefix

from frozenvl.analysis.masking import Masking
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.analysis.shapley import KernelShap, ShapleySampling

pytest.importorskip("captum")
pytest.importorskip("sklearn")


@pytest.mark.parametrize(
    "method", [KernelShap(samples=256, seeds=2, level="prefix"), ShapleySampling(1, seeds=2, level="prefix")]
)
def test_on_an_additive_function_it_is_each_cells_own_part(method, model_of, function_of):
    function = function_of(model_of())
    linear_in_prefix(function, torch.randn(16, 32, 2))
    expected = Occlusion(level="prefix").maps(function).values
    maps = method.maps(function)
    assert torch.allclose(maps.values, expected, atol=1e-2 * float(expected.abs().max()))
    assert torch.allclose(maps.values.sum((1, 2)), maps.value - maps.value_at_baseline, atol=1e-2)


def test_sampling_approaches_the_mean_over_all_orders(model_of, function_of):
    """The 2 × 2 cells of a model, whose values are not additive."""
    function = function_of(model_of())
    values = Masking(function, 2)
    expected = torch.zeros(2, 4)
    orders = list(permutations(range(4)))
    for order in orders:
        mask = torch.zeros(1, 4)
        before = values(mask)[0]
        for cell in order:
            mask[0, cell] = 1
            after = values(mask)[0]
            expected[:, cell] += (after - before) / len(orders)
            before = after
    maps = ShapleySampling(200, seeds=1, grid=2).maps(function)
    assert torch.allclose(maps.values.flatten(1), expected, atol=0.15 * float(expected.abs().max()))
    assert torch.allclose(maps.values.sum((1, 2)), maps.value - maps.value_at_baseline, atol=1e-4)
