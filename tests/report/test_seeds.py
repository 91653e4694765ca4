"""Runs that differ only in their seed share a column with their mean."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trees import cells, write_run

from frozenvl.report.cell import Cell
from frozenvl.report.cost_table import worth
from frozenvl.report.load import Run, read_runs
from frozenvl.report.seeds import STUDENT, by_seed, over_seeds


def test_runs_that_differ_only_in_their_seed_share_a_column(tmp_path):
    """Student's interval of three values: mean ± 4.303 · s ÷ √3."""
    for seed, cider in enumerate((0.40, 0.42, 0.47)):
        write_run(
            tmp_path / f"lora-seed{seed}", cider, seed=seed, trainer={"default_root_dir": f"runs/{seed}"}
        )
    write_run(tmp_path / "wide", 0.5, 8000, seed=0, name="x", model={"k": 8, "seed": 0})
    found = worth(read_runs(sorted(tmp_path.iterdir())))
    assert [str(column) for column in found.columns] == ["lora", "wide"]
    known = cells(found)
    assert known["captions CIDEr"] == {
        "lora": "0.430 ± 0.036 (3 seeds) [0.340, 0.520]",
        "wide": "0.500 [0.470, 0.530]",
    }
    assert known["trained parameters"]["lora"] == "1,000"
    assert any("differ only in their seed" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "together"),
    [
        ({"seed_everything": 1}, True),
        ({"seed_everything": 1, "model": {"seed": 1, "k": 4}}, True),
        ({"data": {"seed": 1}}, True),
        ({}, False),  # the same run twice is no second draw
        ({"seed_everything": 1, "model": {"seed": 1, "k": 8}}, False),
        ({"seed_everything": 1, "init_from": "x.ckpt"}, False),
    ],
)
def test_keys_that_may_differ_between_repetitions(tmp_path, changes, together):
    write_run(tmp_path / "a1", 0.4, seed=0)
    write_run(tmp_path / "a2", 0.5, seed=0, **changes)
    found = worth(read_runs([tmp_path / "a1", tmp_path / "a2"]))
    assert [str(column) for column in found.columns] == (["a"] if together else ["a1", "a2"])
    assert any("±" in note for note in found.notes) == together


def test_groups_with_the_same_label_are_named_by_their_runs(tmp_path):
    for number, k in enumerate((1, 1, 2, 2)):
        write_run(tmp_path / f"run{number}", 0.4, seed=number, model={"k": k})
    write_run(tmp_path / "other", 0.4)
    found = worth(read_runs(sorted(tmp_path.iterdir())))
    assert [str(column) for column in found.columns] == ["other", "run0, run1", "run2, run3"]


def run(label: str, **config: Any) -> Run:
    """Makes a run with a configuration and no scores."""
    return Run(label, Path(label), (), {}, config)


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        (["lora-seed0", "lora-seed1"], "lora"),
        (["lora.1", "lora.2"], "lora"),
        (["k8_10", "k8_11"], "k8"),
        (["one", "two"], "one, two"),  # they have nothing in common
        (["1", "2"], "1, 2"),
    ],
)
def test_a_column_is_named_by_the_common_beginning_of_its_runs(labels, column):
    runs = [run(label, seed_everything=seed, k=4) for seed, label in enumerate(labels)]
    (group,) = by_seed(runs)
    assert (group.label, group.runs) == (column, tuple(runs))


def test_runs_without_a_configuration_stand_alone():
    assert [group.label for group in by_seed([run("a1"), run("a2")])] == ["a1", "a2"]


def test_runs_may_name_their_folders_and_configuration_files_differently():
    alike = [
        run(
            f"a{seed}", seed_everything=seed, config=[f"{seed}.yaml"], trainer={"default_root_dir": str(seed)}
        )
        for seed in range(2)
    ]
    assert len(by_seed(alike)) == 1
    longer = run(
        "a2", seed_everything=2, config=["2.yaml"], trainer={"default_root_dir": "2", "max_steps": 9}
    )
    assert [len(group.runs) for group in by_seed([*alike, longer])] == [2, 1]


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
