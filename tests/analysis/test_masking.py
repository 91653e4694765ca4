"""Masks of cells."""

import pytest
import torch

from frozenvl.analysis.baselines import baseline_inputs
from frozenvl.analysis.masking import Masking, edges, spread_over_pixels, sum_over_cells
from frozenvl.analysis.places import Places
from frozenvl.util.errors import UserError


def test_cells_tile_the_square_whatever_its_size():
    assert edges(64, 7) == [0, 9, 18, 27, 37, 46, 55, 64]
    maps = torch.arange(49.0).reshape(1, 7, 7)
    pixels = spread_over_pixels(maps, 64)
    assert pixels.shape == (1, 64, 64) and pixels[0, 63, 0] == 42 and pixels[0, 8, 9] == 1


def test_sums_over_cells_lose_nothing():
    attribution = torch.rand(3, 64, 64)
    cells, without = sum_over_cells(attribution, 7, None)
    assert without == 0 and cells.sum() == pytest.approx(float(attribution.sum()), rel=1e-5)
    assert cells[0, 1] == pytest.approx(float(attribution[:, :9, 9:18].sum()), rel=1e-5)
    cells, without = sum_over_cells(
        torch.tensor([[1.0, 2], [3, 4], [5, 6]]), 2, Places(2, torch.tensor([-1, 2, 0]))
    )
    assert cells.tolist() == [[11, 0], [7, 0]] and without == 3


@pytest.mark.parametrize("level", ["pixel", "cell", "prefix"])
def test_all_cells_show_the_image_and_none_the_baseline(level, model_of, function_of):
    function = function_of(model_of())
    values = Masking(function, level=level)
    assert values.side == (7 if level == "pixel" else 4)
    image, baseline = values.ends()
    with torch.no_grad():
        assert torch.allclose(image, function(function.at(level), level)[0], atol=1e-4)
        expected = function(baseline_inputs(function, "mean", level), level)[0]
    assert torch.allclose(baseline, expected, atol=1e-4)


def test_one_cell_off_shows_the_baseline_there_alone(model_of, function_of):
    function = function_of(model_of())
    mask = torch.ones(1, 8, 8)
    mask[0, 3, 2] = 0
    values = Masking(function, 8)
    changed = (values.versions(mask) != function.at("pixel"))[0].any(0)
    rows, columns = changed.nonzero().T
    assert set(rows.tolist()) <= set(range(24, 32)) and set(columns.tolist()) <= set(range(16, 24))
    assert changed.sum() > 50
    prefix = Masking(function, level="prefix")
    mask = torch.ones(1, 4, 4)
    mask[0, 1, 2] = 0
    changed = (prefix.versions(mask) != function.at("prefix"))[0].any(-1)
    assert changed.nonzero()[:, 0].tolist() == [6]


def test_a_mask_is_computed_once(model_of, function_of, monkeypatch):
    function = function_of(model_of())
    values = Masking(function)
    masks = (torch.rand(5, 7, 7) > 0.5).float()
    first = values(masks)
    monkeypatch.setattr(function, "_values", lambda prefix: pytest.fail("computed again"))
    assert values(masks.flatten(1)).equal(first)


def test_grids_that_do_not_fit_are_refused(model_of, function_of):
    function = function_of(model_of())
    with pytest.raises(UserError, match="grid is 7, and the vectors at level cell have 4 × 4 cells"):
        Masking(function, 7, "cell")
    for grid in (1, 65):
        with pytest.raises(UserError, match=f"grid is {grid}; it is from 2 to 64 cells per side"):
            Masking(function, grid)
