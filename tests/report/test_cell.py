"""Cells of tables: a score with its interval, or the mean over seeds with its standard deviation and interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from trees import write_score, write_vqa

from frozenvl.report.cell import STUDENT, Cell, cell_of, over_seeds
from frozenvl.report.load import Result, read_runs


def test_a_mean_has_an_interval_only_if_all_seeds_have():
    assert str(Cell(mean=1.234, deviation=0.5, draws=2)) == "1.2 ± 0.5 (2 seeds)"
    assert str(cell_of([], "overall")) == "–"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell(), "–"),
        (Cell(marks="*"), "–*"),
        (Cell(mean=0.0), "0.0"),  # 0 is a score, not a missing one
        (Cell(3, 0.4, 0.37, 0.43), "0.400 [0.370, 0.430]"),
        (Cell(mean=30.0, low=28.0), "30.0"),  # an interval needs both ends
        (Cell(0, 1_234_567.0), "1,234,567"),
        (Cell(1, 33.0, 30.0, 36.0, 3.61, 3, "*†"), "33.0*† ± 3.6 (3 seeds) [30.0, 36.0]"),
    ],
)
def test_a_cell_in_words(cell, text):
    assert str(cell) == text


def results(folder) -> list[Result]:
    return list(read_runs([folder])[0].results)


def test_seeds_are_averaged_and_so_are_the_ends_of_their_intervals(tmp_path):
    """Values 30 and 34: mean 32, standard deviation √8."""
    for seed, (value, low, high) in enumerate(((30.0, 28.0, 31.0), (34.0, 30.0, 39.0))):
        write_vqa(tmp_path / "a", 4, value, seed=seed, intervals={"overall": [low, high]})
    cell = cell_of(results(tmp_path / "a"), "overall")
    assert (cell.mean, cell.low, cell.high, cell.draws) == (32.0, 29.0, 35.0, 2)
    assert cell.deviation == pytest.approx(math.sqrt(8))


def test_a_seed_without_an_interval_takes_it_from_the_mean(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "a", 4, 34.0, seed=1, intervals={})
    cell = cell_of(results(tmp_path / "a"), "overall")
    assert (cell.mean, cell.low, cell.high) == (32.0, None, None)


def test_a_seed_with_a_nan_score_is_left_out(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "a", 4, math.nan, seed=1)
    cell = cell_of(results(tmp_path / "a"), "overall")
    assert (cell.mean, cell.deviation, cell.draws) == (30.0, None, 1)
    assert cell_of(results(tmp_path / "a"), "CIDEr") == Cell()


def test_a_mark_of_one_seed_marks_the_mean(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0, partial=True)
    write_vqa(tmp_path / "a", 4, 34.0, seed=1, supervised_encoder="ImageNet")
    whole, *_ = marked = results(tmp_path / "a")
    assert cell_of(marked, "overall").marks == "*†"
    assert cell_of([whole], "overall").marks == "*"


def test_digits_are_those_of_the_metric(tmp_path):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.39391})
    assert cell_of(results(tmp_path / "a"), "CIDEr").digits == 3


@pytest.mark.parametrize("freedom", range(1, len(STUDENT) + 1))
def test_quantiles_are_those_of_students_t(freedom):
    """95 % of the density of Student's t lie within them: integrated by Simpson's rule."""
    points = np.linspace(0, STUDENT[freedom - 1], 20_001)
    density = (1 + points**2 / freedom) ** (-(freedom + 1) / 2)
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    weights = np.where(np.arange(len(points)) % 2, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    within = 2 * scale * points[1] / 3 * (weights * density).sum()
    assert within == pytest.approx(0.95, abs=5e-5)


def test_the_interval_of_two_runs_is_wide():
    """Values 1 and 3: mean 2, deviation √2, so half of the interval is 12.706 · √2 ÷ √2."""
    cell = over_seeds([Cell(2, 1.0, 0.9, 1.1, marks="*"), Cell(2, 3.0, marks="*†")])
    assert (cell.mean, cell.draws, cell.digits, cell.marks) == (2.0, 2, 2, "*†")
    assert (cell.low, cell.high) == (pytest.approx(2 - 12.706), pytest.approx(2 + 12.706))
    assert cell.deviation == pytest.approx(math.sqrt(2))


def test_many_runs_have_the_interval_of_a_normal_distribution():
    """32 values, half 0 and half 1: deviation √(32 · 0.25 ÷ 31)."""
    cell = over_seeds([Cell(mean=float(number % 2)) for number in range(32)])
    assert cell.high == pytest.approx(0.5 + 1.96 * math.sqrt(8 / 31 / 32))


def test_equal_values_and_single_values_stay_as_they_are():
    known = Cell(1, 30.0, 28.0, 32.0)
    assert over_seeds([Cell(), known, Cell()]) == known
    assert over_seeds([Cell(0, 4321.0), Cell(0, 4321.0)]) == Cell(0, 4321.0)
    assert over_seeds([Cell(), Cell()]) == over_seeds([]) == Cell()
