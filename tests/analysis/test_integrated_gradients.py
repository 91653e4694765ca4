"""Integrated gradients."""

import pytest
import torch
from linear import linear_in_pixels, linear_in_prefix

from frozenvl.analysis.baselines import baseline_inputs
from frozenvl.analysis.integrated_gradients import IntegratedGradients
from frozenvl.analysis.masking import sum_over_cells
from frozenvl.util.errors import UserError

pytest.importorskip("captum")


def test_on_a_linear_function_it_is_each_cells_own_part(model_of, function_of):
    function = function_of(model_of())
    weights = torch.randn(3, 64, 64, 2) / 1000
    linear_in_pixels(function, weights)
    maps = IntegratedGradients(grid=7).maps(function)
    change = (function.at("pixel") - baseline_inputs(function, "mean", "pixel"))[0]
    expected = torch.stack([sum_over_cells(change * weights[..., target], 7, None)[0] for target in range(2)])
    assert torch.allclose(maps.values, expected, atol=1e-3)
    assert maps.facts["steps"] == [32, 32]  # a line needs no more


@pytest.mark.parametrize("level", ["pixel", "cell", "prefix"])
def test_attributions_of_a_model_sum_to_the_difference(level, model_of, function_of):
    function = function_of(model_of())
    maps = IntegratedGradients(level=level, baseline="black").maps(function)
    difference = maps.value - maps.value_at_baseline
    allowed = (0.01 * difference.abs()).clamp(min=1e-3)
    assert ((maps.values.sum((1, 2)) - difference).abs() <= allowed).all()
    assert torch.allclose(maps.values.sum((1, 2)) - difference, torch.tensor(maps.facts["gap"]), atol=1e-4)


def step_at(function, share: float, width: float):
    """Replaces the language model: the value is a steep step at a share of the way from the baseline to the image."""
    baseline, image = baseline_inputs(function, "mean", "prefix"), function.at("prefix")
    line = (image - baseline).flatten()
    way = lambda prefix: ((prefix - baseline).flatten(1) @ line) / (line @ line)
    function._values = lambda prefix: torch.sigmoid((way(prefix) - share) / width)[:, None].expand(-1, 2)
    return function


def test_steps_go_where_the_function_is_steep(model_of, function_of):
    """Equal steps would miss a rise in a hundredth of the way."""
    function = step_at(function_of(model_of()), 0.3, 0.002)
    maps = IntegratedGradients(level="prefix", tolerance=0.01).maps(function)
    assert maps.value - maps.value_at_baseline == pytest.approx(torch.ones(2))
    assert maps.values.sum((1, 2)) == pytest.approx(torch.ones(2), abs=0.01)
    assert 32 < maps.facts["steps"][0] < 300
    few = IntegratedGradients(level="prefix", max_steps=32).maps(function)
    assert few.facts["steps"] == [32, 32] and abs(few.facts["gap"][0]) > 0.02  # reported, not hidden


def test_too_few_steps_and_grids_that_do_not_fit_are_refused(model_of, function_of):
    with pytest.raises(UserError, match="grid is 7, and the vectors at level cell have 4 × 4 cells"):
        IntegratedGradients(grid=7, level="cell").maps(function_of(model_of()))
    with pytest.raises(UserError, match="give at least 32 steps"):
        IntegratedGradients(max_steps=8)


def test_a_class_tokens_part_is_reported(model_of, function_of):
    function = function_of(model_of())
    linear_in_prefix(function, torch.randn(16, 32, 2))
    assert IntegratedGradients(level="cell").maps(function).facts["without_cell"] == [0.0, 0.0]
