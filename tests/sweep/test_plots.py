"""Plots of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written import RATE, ks, write_sweep

from frozenvl.sweep.plots import axes_of, curve_of, lines_of, plots_of
from frozenvl.sweep.results import read_results


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_axis_is_the_key_that_all_arms_vary():
    equal = {(("model.k", k), ("model.hidden", hidden)): 0.1 * k for k, hidden in ((1, 30), (2, 20), (4, 10))}
    write_sweep({"same": ks(0.1, 0.2, 0.3), "equal": equal})
    results = read_results(Path("runs/try"))
    assert axes_of(results) == ["model.k"]
    # k determines the width, so the width does not split the line.
    assert {label: len(line) for label, line in lines_of(results, "model.k").items()} == {
        "same": 3,
        "equal": 3,
    }


def test_a_second_key_makes_lines():
    grid = {((RATE, rate), ("model.k", k)): rate + k for rate in (1e-4, 3e-4, 1e-3) for k in (1, 16)}
    write_sweep({"": grid}, seeds=(0,))
    results = read_results(Path("runs/try"))
    assert axes_of(results) == [RATE]
    assert {label: len(line) for label, line in lines_of(results, RATE).items()} == {"k 1": 3, "k 16": 3}


def axis(results, name):
    (plot,) = (plot for plot in plots_of(results) if plot.name == name)
    return plot.draw().axes[0]


def test_powers_of_two_have_a_log_axis_with_single_runs_and_means():
    write_sweep({"": ks(0.2, 0.5, 0.4, 0.6)})
    drawn = axis(read_results(Path("runs/try")), "metric")
    assert drawn.get_xscale() == "log" and list(drawn.get_xticks()) == [1, 2, 4, 8]
    singles, means, *_ = drawn.get_lines()
    assert len(singles.get_xdata()) == 12 and list(means.get_ydata()) == pytest.approx([0.3, 0.6, 0.5, 0.7])


def test_texts_have_an_axis_too():
    points = {(("model.mapper", f"frozenvl.model.mappers.{name}"),): 0.1 for name in ("Linear", "MLP")}
    write_sweep({"frozen": points, "trained": points})
    drawn = axis(read_results(Path("runs/try")), "metric")
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["Linear", "MLP"]


def test_arms_that_vary_keys_of_their_own_are_drawn_where_they_have_the_axis():
    write_sweep({"width": ks(0.2, key="model.hidden"), "prefix": ks(0.1, 0.4)})
    results = read_results(Path("runs/try"))
    assert axes_of(results) == ["model.k"] and list(lines_of(results, "model.k")) == ["prefix"]
    assert list(axis(results, "metric").get_xticks()) == [1, 2]


def test_a_search_is_drawn_against_each_of_its_keys_the_best_first():
    points = {
        ((RATE, rate), ("model.k", k)): value
        for rate, k, value in ((0.1, 3, 0.2), (0.2, 5, 0.9), (0.3, 4, 0.5))
    }
    write_sweep({"": points}, seeds=(0,), search={RATE: {}, "model.k": {}}, trials=3, arms=[])
    results = read_results(Path("runs/try"))
    assert [plot.name for plot in plots_of(results)] == ["metric-lr", "metric-k", "parameters", "curves"]
    assert [row.label for row in results.table.rows] == ["lr 0.2, k 5", "lr 0.3, k 4", "lr 0.1, k 3"]
    assert sorted(axis(results, "metric-k").get_lines()[0].get_xdata()) == [3, 4, 5]


def test_curves_show_the_metric_if_it_was_logged_repeatedly():
    write_sweep({"": ks(0.2, 0.5)})
    assert curve_of(read_results(Path("runs/try"))) == "train/loss"
    for file in Path("runs/try").glob("*/history.jsonl"):
        file.write_text("".join(json.dumps({"step": s, "captions/CIDEr": s / 10}) + "\n" for s in (1, 2)))
    results = read_results(Path("runs/try"))
    assert curve_of(results) == "captions/CIDEr"
    assert len(axis(results, "curves").get_lines()) == 2 * (3 + 1), "runs, and their mean"
