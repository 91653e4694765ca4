"""Scores beside their cost: which runs belong together, means over seeds, what is drawn, where it is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from running import one_line
from trees import write_naming, write_score, write_vqa

from frozenvl.cli import main
from frozenvl.report.cost_table import Worth, worth
from frozenvl.report.curves import cost_plot
from frozenvl.report.load import read_runs
from frozenvl.util.errors import UserError


def write_run(
    run: Path, cider: float, parameters: int = 1000, seed: int | None = None, **config: Any
) -> None:
    write_score(run, "captions", {"CIDEr": cider}, half=0.03)
    write_score(run, "perplexity", {"perplexity": 20.0 - cider, "loss": 2.9}, half=None)
    took = {"trained_parameters": parameters, "pairs": 64_000, "pairs_per_second": 51.26, "minutes": 20.85}
    (run / "cost.json").write_text(json.dumps(took | {"peak_memory_gb": 1.5}))
    if seed is not None:
        facts = {
            "name": run.name,
            "seed_everything": seed,
            "model": {"seed": seed, "k": 4},
            "data": {"seed": 0},
        }
        (run / "config.yaml").write_text(yaml.safe_dump(facts | config))


def cells(worth: Worth) -> dict[str, dict[str, str]]:
    return {row.score: {str(column): str(cell) for column, cell in row.cells.items()} for row in worth.rows}


def test_scores_stand_beside_costs(tmp_path):
    write_run(tmp_path / "a", 0.4, 1_234_567)
    write_vqa(tmp_path / "b", 4, 30.0)
    assert cells(worth(read_runs([tmp_path / "a", tmp_path / "b"]))) == {
        "captions CIDEr": {"a": "0.400 [0.370, 0.430]", "b": "–"},
        "perplexity": {"a": "19.60", "b": "–"},
        "trained parameters": {"a": "1,234,567", "b": "–"},
        "pairs seen": {"a": "64,000", "b": "–"},
        "pairs/s": {"a": "51.3", "b": "–"},
        "minutes": {"a": "20.9", "b": "–"},
        "peak memory, GB": {"a": "1.50", "b": "–"},
    }


def test_runs_that_differ_in_their_seed_alone_are_one(tmp_path):
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
    assert any("differ in their seed alone" in note for note in found.notes)


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
def test_what_may_differ(tmp_path, changes, together):
    write_run(tmp_path / "a1", 0.4, seed=0)
    write_run(tmp_path / "a2", 0.5, seed=0, **changes)
    found = worth(read_runs([tmp_path / "a1", tmp_path / "a2"]))
    assert [str(column) for column in found.columns] == (["a"] if together else ["a1", "a2"])
    assert any("±" in note for note in found.notes) == together


def test_groups_of_like_names_are_told_apart(tmp_path):
    for number, k in enumerate((1, 1, 2, 2)):
        write_run(tmp_path / f"run{number}", 0.4, seed=number, model={"k": k})
    write_run(tmp_path / "other", 0.4)
    found = worth(read_runs(sorted(tmp_path.iterdir())))
    assert [str(column) for column in found.columns] == ["other", "run0, run1", "run2, run3"]


def test_the_metric_is_chosen(tmp_path):
    write_run(tmp_path / "a", 0.4)
    for shots in (0, 4):
        write_vqa(tmp_path / "a", shots, 30.0 + shots)
        write_vqa(tmp_path / "a", shots, 11.0, view="test-blind")
    runs = read_runs([tmp_path / "a"])
    found = worth(runs, "overall")
    assert [row.score for row in found.scores] == [
        "vqa_v2 overall, 0 shots",
        "vqa_v2 overall, 4 shots",
    ]
    assert [row.cells[found.columns[0]].mean for row in found.scores] == [30.0, 34.0]
    assert [row.score for row in worth(runs, "perplexity").scores] == ["perplexity"]
    with pytest.raises(UserError, match=r"no run has a score 'BLEU'; there are CIDEr, perplexity, "):
        worth(runs, "BLEU")


def test_without_captions_it_is_the_main_score(tmp_path):
    write_score(tmp_path / "a", "perplexity", {"perplexity": 20.0})
    assert worth(read_runs([tmp_path / "a"])).metric == "perplexity"
    write_vqa(tmp_path / "a", 0, 30.0)  # its name comes after that of perplexity
    assert worth(read_runs([tmp_path / "a"])).metric == "overall"
    write_naming(tmp_path / "b", 2, 1, 40.0)
    assert worth(read_runs([tmp_path / "b"])).metric == "strict"


def test_what_was_not_recorded_is_not_told(tmp_path, capsys):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.4})
    found = worth(read_runs([tmp_path / "a"]))
    assert not found.costs and not found.points
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    assert "cost" not in capsys.readouterr().out and not (tmp_path / "out" / "cost.png").exists()
    assert "trained parameters" not in (tmp_path / "out" / "report.html").read_text()


def test_points_are_labelled_on_a_log_axis(tmp_path):
    write_run(tmp_path / "small", 0.3, 1_000)
    write_run(tmp_path / "<large>", 0.4, 10_000_000)
    write_vqa(tmp_path / "none", 4, 30.0)
    found = worth(read_runs([tmp_path / "small", tmp_path / "<large>", tmp_path / "none"]))
    ((row, points),) = found.points
    assert row.score == "captions CIDEr"
    assert [(str(column), size, cell.mean) for column, size, cell in points] == [
        ("small", 1_000, 0.3),
        ("<large>", 10_000_000, 0.4),
    ]
    svg = cost_plot(found).svg(1)
    assert svg == cost_plot(found).svg(1) and svg.startswith("<svg")
    assert all(
        text in svg
        for text in (">small<", "&lt;large&gt;", ">trained parameters<", ">1k<", ">10M<", ">captions CIDEr<")
    )
    with Image.open(io.BytesIO(cost_plot(found).file("png"))) as picture:
        assert picture.format == "PNG" and len(picture.getcolors(1 << 20)) > 20


def test_the_command_prints_and_writes_all(tmp_path, capsys):
    for seed in (0, 1):
        write_run(tmp_path / f"a-{seed}", 0.4 + seed / 10, 4_321, seed=seed)
    runs, out = [str(tmp_path / f"a-{seed}") for seed in (0, 1)], tmp_path / "out"
    assert main(["report", *runs, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4,321" in said and "0.450 ± 0.071 (2 seeds)" in said
    assert "captions CIDEr" in said and "perplexity" in said and "perplexity perplexity" not in said
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 1 and "against trained parameters" not in page and "4,321" in page
    assert "| pairs seen | 64,000" in (out / "report.md").read_text()
    assert r"\label{tab:cost}" in (out / "tables.tex").read_text()
    with Image.open(out / "cost.png") as picture:
        assert picture.width > 500
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert {(row["run"], row["cost.trained_parameters"], row["cost.minutes"]) for row in rows} == {
        ("a-0", "4321.0", "20.85"),
        ("a-1", "4321.0", "20.85"),
    }
    assert main(["report", *runs, "--metric", "nothing"]) == 2
    assert "no run has a score 'nothing'" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("content", ["[1]", '{"minutes": "long"}', "{"])
def test_a_bad_file_of_costs_is_said_in_one_line(tmp_path, content):
    write_run(tmp_path / "a", 0.4)
    (tmp_path / "a" / "cost.json").write_text(content)
    with pytest.raises(UserError, match=r"cost\.json: not ") as error:
        read_runs([tmp_path / "a"])
    assert "\n" not in str(error.value)


def test_a_bad_configuration_is_said_in_one_line(tmp_path):
    write_run(tmp_path / "a", 0.4)
    (tmp_path / "a" / "config.yaml").write_text("a: [\nb")
    with pytest.raises(UserError, match=r"config\.yaml: not a run's configuration") as error:
        read_runs([tmp_path / "a"])
    assert "\n" not in str(error.value)
