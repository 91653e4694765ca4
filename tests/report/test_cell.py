"""Cells of tables: a score with its interval, or the mean over seeds with its standard deviation."""

from __future__ import annotations

import math

import pytest
from trees import write_score, write_vqa

from frozenvl.report.cell import Cell, cell_of
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
