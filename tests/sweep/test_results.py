"""Results of a sweep, read from the folders of its runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from written import ks, write_sweep

from frozenvl.report.cell import STUDENT
from frozenvl.sweep.results import read_results


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_means_and_intervals_over_seeds():
    write_sweep({"": ks(0.2, 0.5)})
    results = read_results(Path("runs/try"))
    first, second = results.points
    assert [found.point.values for found in results.points] == [{"model.k": 1}, {"model.k": 2}]
    cell = first.mean("captions/CIDEr")
    half = STUDENT[1] * 0.1 / 3**0.5
    assert (cell.mean, cell.low, cell.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert [cell.mean for cell in second.cells("captions/CIDEr")] == pytest.approx([0.5, 0.6, 0.7])
    assert second.cost("trained_parameters") == 200
    assert second.mean("val/perplexity").mean == pytest.approx(10 - 0.6)


def test_with_one_seed_the_interval_is_over_images_and_a_note_says_so():
    write_sweep({"": ks(0.2)}, seeds=(0,))
    results = read_results(Path("runs/try"))
    cell = results.points[0].mean("captions/CIDEr")
    assert (cell.low, cell.high) == pytest.approx((0.19, 0.21))
    assert any("over images, not over seeds" in note for note in results.table.notes)
    assert not any("Student" in note for note in results.table.notes)


def test_the_table_has_scores_and_costs():
    write_sweep({"same": ks(0.2, 0.5), "equal": ks(0.1)})
    table = read_results(Path("runs/try")).table
    names = ["seeds", "CIDEr", "Bleu_4", "perplexity", "trained parameters", "pairs/s", "minutes"]
    assert [str(column) for column in table.columns] == names
    assert [row.label for row in table.rows] == ["same: k 1", "same: k 2", "equal: k 1"]
    assert str(table.rows[1].cells[table.columns[1]]).startswith("0.600 [0.352, 0.848]")
    assert str(table.rows[1].cells[table.columns[4]]) == "200"
