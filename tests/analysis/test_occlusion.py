"""Occlusion."""

import pytest
import torch
from linear import linear_in_pixels, linear_in_prefix

from frozenvl.analysis.baselines import baseline_inputs
from frozenvl.analysis.masking import spread_over_pixels, sum_over_cells
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("baseline", ["mean", "black", "blur"])
def test_on_a_linear_function_it_is_each_cells_own_part(baseline, model_of, function_of):
    function = function_of(model_of())
    weights = torch.randn(3, 64, 64, 2) / 1000
    linear_in_pixels(function, weights)
    maps = Occlusion(grid=7, baseline=baseline).maps(function)
    change = (function.at("pixel") - baseline_inputs(function, baseline, "pixel"))[0]
    for target in range(2):
        expected, _ = sum_over_cells(change * weights[..., target], 7, None)
        assert torch.allclose(maps.values[target], expected, atol=1e-3)
    assert torch.allclose(maps.values.sum((1, 2)), maps.value - maps.value_at_baseline, atol=1e-3)
    assert maps.names == ("red", "circle") and maps.baseline == baseline and maps.grid == (7, 7)


def test_on_a_linear_mapper_it_is_each_vectors_own_part(model_of, function_of):
    function = function_of(model_of())
    weights = torch.randn(16, 32, 2)
    linear_in_prefix(function, weights)
    maps = Occlusion(level="prefix").maps(function)
    change = (function.at("prefix") - baseline_inputs(function, "mean", "prefix"))[0]
    expected = torch.einsum("kd,kdt->tk", change, weights).reshape(2, 4, 4)
    assert torch.allclose(maps.values, expected, atol=1e-4)
    # The encoder's features and the mapper's vectors have the same cells, and the mapper is linear.
    assert torch.allclose(Occlusion(level="cell").maps(function).values, expected, atol=1e-4)


@pytest.mark.parametrize("window", [1, 2])
def test_it_equals_captums(window, model_of, function_of):
    """Sliding windows too: captum divides by the number of windows that cover a pixel."""
    captum = pytest.importorskip("captum.attr")
    function = function_of(model_of())
    maps = Occlusion(grid=8, window=window).maps(function)
    with torch.no_grad():
        for target in range(2):
            (theirs,) = captum.Occlusion(function).attribute(
                function.at("pixel"),
                (3, 8 * window, 8 * window),
                (3, 8, 8),
                baselines=baseline_inputs(function, "mean", "pixel"),
                target=target,
                perturbations_per_eval=16,
            )
            assert torch.allclose(spread_over_pixels(maps.values[target], 64), theirs[0], atol=1e-4)


def test_windows_that_do_not_fit_are_refused(model_of, function_of):
    with pytest.raises(UserError, match="window is 0"):
        Occlusion(window=0)
    with pytest.raises(UserError, match="window is 5, and the image has 4 cells a side"):
        Occlusion(window=5, level="cell").maps(function_of(model_of()))


def test_progress_counts_windows(model_of, function_of):
    counts = []
    Occlusion(grid=7).maps(function_of(model_of()), lambda done, total: counts.append((done, total)))
    assert counts == [(32, 49), (49, 49)]
