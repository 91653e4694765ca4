"""`frozenvl report` of a sweep."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from PIL import Image
from written import ks, write_run, write_sweep

from frozenvl.cli import main
from frozenvl.sweep.grid import Point, SweepRun


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_sweep_that_is_not_done_says_so(capsys):
    write_sweep({"": ks(0.2, 0.5)})
    write_run(SweepRun(Point("", {"model.k": 8}), 0), 0, ended="failed")
    Path("runs/try/k2-seed2/evaluation/captions/score.json").unlink()
    Path("runs/try/k2-seed2/evaluation/perplexity/score.json").unlink()
    assert main(["report", "runs/try"]) == 0
    said = capsys.readouterr().out
    assert "5 of 6 runs done" in said and "1 failed" in said and "1 waiting" in said


def test_all_files_of_a_report_are_written(capsys):
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


def test_a_sweep_and_a_run_cannot_be_reported_together(capsys):
    write_sweep({"": ks(0.2)})
    assert main(["report", "runs/try", "runs/try/k1-seed0"]) == 2
    assert "the report of a sweep is of one sweep" in capsys.readouterr().err


def test_runs_of_a_sweep_can_be_reported_like_others(capsys):
    write_sweep({"": ks(0.2, 0.5)})
    assert main(["report", "runs/try/k1-seed0", "runs/try/k2-seed0"]) == 0
    assert "k2-seed0" in capsys.readouterr().out
