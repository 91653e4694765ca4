"""What a sweep found, from the files that its runs left."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image
from scores import score_of, write

from frozenvl.cli import main
from frozenvl.report.seeds import STUDENT
from frozenvl.sweep.grid import Point, Run
from frozenvl.sweep.plots import axes_of, curve_of, lines_of, plots_of
from frozenvl.sweep.results import read_results

SPEC = {
    "name": "try",
    "about": "<why>",
    "metric": "captions/CIDEr",
    "direction": "maximize",
    "search": {},
    "trials": 0,
}
RATE = "model.optimizer.init_args.lr"


def write_run(run: Run, value: float, steps: int = 3, ended: str = "done", parameters: int = 100) -> Path:
    folder = Path("runs/try") / run.name
    (folder / "attempts").mkdir(parents=True)
    (folder / "attempts/1.json").write_text(json.dumps({"host": "h", "pid": 1, "ended": ended}))
    (folder / "trial.json").write_text(json.dumps(run.as_json()))
    rows = [{"step": step, "train/loss": 3 - value * step} for step in range(1, steps + 1)]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if ended == "done":
        cost = {"trained_parameters": parameters, "pairs": 320, "pairs_per_second": 8.0, "minutes": 0.5}
        (folder / "cost.json").write_text(json.dumps(cost))
        scores = {"CIDEr": value, "Bleu_4": value / 2}
        ends = {key: (value - 0.01, value + 0.01) for key, value in scores.items()}
        write(folder, score_of("captions", scores, intervals=ends, samples=10, of=10))
        losses = {"loss": 2.0, "perplexity": 10 - value}
        write(folder, score_of("perplexity", losses, samples=10, of=10))
    return folder


def write_sweep(values: dict[str, dict], seeds: tuple[int, ...] = (0, 1, 2), **changes) -> None:
    """A sweep all of whose runs are done.

    Args:
        values: arm → its points, as (values, of seed 0) pairs.
    """
    arms = []
    for arm, points in values.items():
        arms.append({"name": arm, "fixed": {}, "points": [{"arm": arm, "values": dict(p)} for p in points]})
        for number, (point, value) in enumerate(points.items()):
            for seed in seeds:
                run = Run(Point(arm, dict(point)), seed)
                write_run(run, value + seed / 10, parameters=100 * (number + 1))
    spec = SPEC | {"arms": arms, "seeds": list(seeds)} | changes
    Path("runs/try/sweep.yaml").write_text(yaml.safe_dump({"spec": spec}))


def ks(*values: float, key: str = "model.k") -> dict:
    """Points k = 1, 2, 4 … with a value each."""
    return {((key, 2**number),): value for number, value in enumerate(values)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_means_and_intervals_over_seeds():
    write_sweep({"": ks(0.2, 0.5)})
    results = read_results(Path("runs/try"))
    first, second = results.found
    assert [found.point.values for found in results.found] == [{"model.k": 1}, {"model.k": 2}]
    cell = first.mean("captions/CIDEr")
    half = STUDENT[1] * 0.1 / 3**0.5
    assert (cell.mean, cell.low, cell.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert second.values("captions/CIDEr") == pytest.approx([0.5, 0.6, 0.7])
    assert second.cost("trained_parameters").mean == 200
    assert second.mean("val/perplexity").mean == pytest.approx(10 - 0.6)


def test_of_a_single_seed_the_interval_is_that_over_images_and_it_is_said():
    write_sweep({"": ks(0.2)}, seeds=(0,))
    results = read_results(Path("runs/try"))
    cell = results.found[0].mean("captions/CIDEr")
    assert (cell.low, cell.high) == pytest.approx((0.19, 0.21))
    assert any("says nothing of other seeds" in note for note in results.table.notes)
    assert not any("Student" in note for note in results.table.notes)


def test_the_table_has_scores_and_costs():
    write_sweep({"same": ks(0.2, 0.5), "equal": ks(0.1)})
    table = read_results(Path("runs/try")).table
    names = ["seeds", "CIDEr", "Bleu_4", "perplexity", "trained parameters", "pairs/s", "minutes"]
    assert [str(column) for column in table.columns] == names
    assert [row.label for row in table.rows] == ["same: k 1", "same: k 2", "equal: k 1"]
    assert str(table.rows[1].cells[table.columns[1]]).startswith("0.600 [0.352, 0.848]")
    assert str(table.rows[1].cells[table.columns[4]]) == "200"


def test_a_sweep_that_is_not_done_says_so(capsys):
    write_sweep({"": ks(0.2, 0.5)})
    write_run(Run(Point("", {"model.k": 8}), 0), 0, ended="failed")
    Path("runs/try/k2-seed2/evaluation/captions/score.json").unlink()
    Path("runs/try/k2-seed2/evaluation/perplexity/score.json").unlink()
    assert main(["report", "runs/try"]) == 0
    said = capsys.readouterr().out
    assert "5 of 6 runs done" in said and "1 failed" in said and "1 waiting" in said


def test_all_that_is_written(capsys):
    write_sweep({"same": ks(0.2, 0.5), "equal": ks(0.1, 0.4)})
    assert main(["report", "runs/try", "--out", "out"]) == 0
    page = Path("out/report.html").read_text()
    assert page.count("<svg") == 3 and "&lt;why&gt;" in page and "0.600" in page
    assert not re.search(r"<script|<link|https?://(?!www\.w3\.org)", page), "it needs nothing else"
    for name in ("metric", "parameters", "curves"):
        assert Image.open(f"out/{name}.png").size[0] > 600
        assert Path(f"out/{name}.svg").read_text().lstrip().startswith("<?xml")
    points = rows_of("out/points.csv")
    assert [(row["arm"], row["model.k"], row["seeds"]) for row in points[:2]] == [
        ("same", "1", "3"),
        ("same", "2", "3"),
    ]
    assert float(points[0]["captions/CIDEr"]) == pytest.approx(0.3)
    assert float(points[0]["captions/CIDEr.low"]) < 0.3 < float(points[0]["captions/CIDEr.high"])
    runs = rows_of("out/scores.csv")
    assert len(runs) == 12 and float(runs[1]["captions/CIDEr"]) == pytest.approx(0.3)
    assert runs[1]["seed"] == "1" and runs[1]["cost.minutes"] == "0.5"
    assert r"\toprule" in Path("out/tables.tex").read_text()
    assert "| same: k 1 | 3 | 0.300" in Path("out/report.md").read_text()


def rows_of(file: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(file).read_text().splitlines()))


def test_the_axis_is_the_key_that_all_arms_vary():
    equal = {(("model.k", k), ("model.hidden", hidden)): 0.1 * k for k, hidden in ((1, 30), (2, 20), (4, 10))}
    write_sweep({"same": ks(0.1, 0.2, 0.3), "equal": equal})
    results = read_results(Path("runs/try"))
    assert axes_of(results) == ["model.k"]
    # The width goes along with k: it makes no lines of its own.
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


def test_powers_of_two_stand_equally_far_apart_with_single_runs_beside_their_mean():
    write_sweep({"": ks(0.2, 0.5, 0.4, 0.6)})
    drawn = axis(read_results(Path("runs/try")), "metric")
    assert drawn.get_xscale() == "log" and list(drawn.get_xticks()) == [1, 2, 4, 8]
    singles, means, *_ = drawn.get_lines()
    assert len(singles.get_xdata()) == 12 and list(means.get_ydata()) == pytest.approx([0.3, 0.6, 0.5, 0.7])


def test_words_have_an_axis_too():
    points = {(("model.mapper", f"frozenvl.model.mappers.{name}"),): 0.1 for name in ("Linear", "MLP")}
    write_sweep({"frozen": points, "trained": points})
    drawn = axis(read_results(Path("runs/try")), "metric")
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["Linear", "MLP"]


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


def test_curves_show_the_metric_where_it_was_followed():
    write_sweep({"": ks(0.2, 0.5)})
    assert curve_of(read_results(Path("runs/try"))) == "train/loss"
    for file in Path("runs/try").glob("*/history.jsonl"):
        file.write_text("".join(json.dumps({"step": s, "captions/CIDEr": s / 10}) + "\n" for s in (1, 2)))
    results = read_results(Path("runs/try"))
    assert curve_of(results) == "captions/CIDEr"
    assert len(axis(results, "curves").get_lines()) == 2 * (3 + 1), "runs, and their mean"


def test_a_sweep_is_reported_alone(capsys):
    write_sweep({"": ks(0.2)})
    assert main(["report", "runs/try", "runs/try/k1-seed0"]) == 2
    assert "the report of a sweep is of one sweep" in capsys.readouterr().err


def test_runs_of_a_sweep_are_runs_like_any_other(capsys):
    write_sweep({"": ks(0.2, 0.5)})
    assert main(["report", "runs/try/k1-seed0", "runs/try/k2-seed0"]) == 0
    assert "k2-seed0" in capsys.readouterr().out
