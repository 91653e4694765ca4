"""`frozenvl compare`: two runs on the queries that both answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import one_line

from frozenvl.cli import main
from frozenvl.evaluation.compare import compare

REFERENCES = {
    "1": ["a dog runs", "a running dog"],
    "2": ["two red birds", "birds"],
    "3": ["a cat sits", "cat"],
}
WORSE = {"1": "a dog runs", "2": "a dog", "3": "a dog"}
BETTER = {"1": "a dog runs", "2": "two red birds", "3": "a cat"}


def predictions(folder: str, texts: dict[str, str], **circumstances: object) -> Path:
    """A predictions.jsonl of captions with the score.json beside it."""
    path = Path(folder) / "predictions.jsonl"
    path.parent.mkdir(parents=True)
    rows = [
        {"id": key, "image_id": key, "text": text, "references": REFERENCES[key]}
        for key, text in texts.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.with_name("score.json").write_text(
        json.dumps({"circumstances": {"decoding": "greedy"} | circumstances})
    )
    return path


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_differences_and_where_they_lie():
    result = compare(predictions("a", WORSE), predictions("b", BETTER))
    change = result.differences["CIDEr"]
    assert change.difference > 0 and change.low <= change.difference <= change.high
    assert set(result.changed[:2]) == {"2", "3"} and result.changed[2] == "1"
    assert result.per_query["1"][0] == result.per_query["1"][1]
    assert result.warnings == []


def test_a_run_does_not_differ_from_itself():
    same = predictions("a", BETTER)
    result = compare(same, same)
    assert all((d.difference, d.low, d.high) == (0, 0, 0) and d.p == 1 for d in result.differences.values())


def test_circumstances_that_differ_are_said():
    result = compare(
        predictions("a", WORSE), predictions("b", BETTER, decoding={"num_beams": 5}, model="another")
    )
    assert result.warnings == ["decoding differs: 'greedy' and {'num_beams': 5}"]


def test_unknown_circumstances_are_said():
    one, other = predictions("a", WORSE), predictions("b", BETTER)
    other.with_name("score.json").unlink()
    assert "no b/score.json" in compare(one, other).warnings[0]


def test_command(capsys):
    a = predictions("a/evaluation/captions", WORSE).parents[2]
    b = predictions("b/evaluation/captions", BETTER).parents[2]
    assert main(["compare", str(a), str(b)]) == 0
    said = capsys.readouterr()
    assert "CIDEr" in said.out and "B - A" in said.out
    assert "no gallery" in said.err


def test_command_draws_where_two_runs_differ_most(tiny_run, capsys):
    assert main(["compare", str(tiny_run), str(tiny_run), "--out", "drawn"]) == 0
    assert {path.name for path in Path("drawn").iterdir()} == {
        "captions.png",
        "vqa-0shot.png",
        "vqa-2shot.png",
    }


def test_other_queries_and_missing_files(capsys):
    predictions("a", WORSE)
    predictions("b", {"1": "a dog"})
    assert main(["compare", "a/predictions.jsonl", "b/predictions.jsonl"]) == 2
    assert "2 queries stand in one only (first: 2)" in one_line(capsys.readouterr().err)
    assert main(["compare", "a/predictions.jsonl", "nowhere"]) == 2
    assert "nowhere: no such file" in one_line(capsys.readouterr().err)
