"""LIME."""

import pytest
import torch
from linear import linear_in_prefix

from frozenvl.analysis.lime import Lime
from frozenvl.analysis.occlusion import Occlusion

pytest.importorskip("captum")
pytest.importorskip("sklearn")


def test_on_an_additive_function_it_is_each_cells_own_part(model_of, function_of):
    function = function_of(model_of())
    linear_in_prefix(function, torch.randn(16, 32, 2))
    expected = Occlusion(level="prefix").maps(function).values
    maps = Lime(samples=512, seeds=2, level="prefix").maps(function)
    assert torch.allclose(maps.values, expected, atol=0.1 * float(expected.abs().max()))
    assert maps.spread.max() < 0.1 * expected.abs().max()
