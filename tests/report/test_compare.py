"""`frozenvl compare`: two runs on the queries that both answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import one_line
from scores import score_of

from frozenvl.cli import main
from frozenvl.evaluation.score_file import write_score
from frozenvl.report.compare import compare

REFERENCES = {
    "1": ["a dog runs", "a running dog"],
    "2": ["two red birds", "birds"],
    "3": ["a cat sits", "cat"],
}
WORSE = {"1": "a dog runs", "2": "a dog", "3": "a dog"}
BETTER = {"1": "a dog runs", "2": "two red birds", "3": "a cat"}


def predictions(folder: str, texts: dict[str, str], score: dict | None = None, **provenance: object) -> Path:
    """A predictions.jsonl of captions with the score.json beside it."""
    path = Path(folder) / "predictions.jsonl"
    path.parent.mkdir(parents=True)
    rows = [
        {"id": key, "image_id": key, "text": text, "references": REFERENCES[key]}
        for key, text in texts.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = {"provenance": {"decoding": "greedy"} | provenance} | (score or {})
    write_score(path.with_name("score.json"), score_of("captions", {"CIDEr": 0.5}, **known))
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


def test_a_provenance_that_differs_is_said():
    result = compare(
        predictions("a", WORSE), predictions("b", BETTER, decoding={"num_beams": 5}, model="another")
    )
    assert result.warnings == ["decoding differs: greedy and {'num_beams': 5}"]


def test_provenances_are_told_in_words():
    one = {
        "references": "838a7861b0c44dd2",
        "demonstrations": "rices",
        "versions": {"torch": "1", "timm": "1"},
    }
    other = {
        "references": "8300fd0f0a9ce911",
        "demonstrations": "fixed",
        "versions": {"torch": "2", "timm": "1"},
    }
    assert compare(predictions("a", WORSE, **one), predictions("b", BETTER, **other)).warnings == [
        "the references differ",
        "demonstrations differ: most similar and fixed",
        "versions.torch differs: 1 and 2",
    ]


def test_an_unknown_provenance_is_said():
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


def answered(folder: str, rows: list[dict], protocol: str) -> Path:
    """A predictions.jsonl of answers with the score.json beside it."""
    path = Path(folder) / "predictions.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(
        "".join(
            json.dumps({"id": str(n), "image_id": str(n), "question": "This is a"} | row) + "\n"
            for n, row in enumerate(rows)
        )
    )
    write_score(path.with_name("score.json"), score_of("x", {"overall": 1.0}, protocol=protocol))
    return path


@pytest.mark.parametrize("chosen", [False, True])
def test_names_are_compared_by_their_own_rules(chosen):
    row = {"references": ["dax"], "ended": True} | ({"candidates": ["dax", "fep"]} if chosen else {})
    right, wrong = row | {"text": "dax"}, row | {"text": "fep" if chosen else "dax. It is red"}
    a, b = (
        answered(run, rows, protocol="naming")
        for run, rows in (("a", [wrong, wrong, right]), ("b", [right, wrong, right]))
    )
    result = compare(a, b)
    assert set(result.differences) == ({"strict"} if chosen else {"strict", "first_phrase"})
    assert result.a["strict"] == pytest.approx(100 / 3)
    assert result.differences["strict"].difference == pytest.approx(100 / 3)
    assert result.changed[0] == "0" and result.per_query["0"] == (0.0, 100.0)
    assert chosen or result.differences["first_phrase"].difference == 0


def test_soft_scores_are_what_is_compared():
    known = {"references": [], "scores": {"dog": 1.0, "puppy": 0.3}}
    a = answered("a", [known | {"text": "puppy"}], protocol="vqa")
    b = answered("b", [known | {"text": "dog"}], protocol="vqa")
    result = compare(a, b)
    assert (result.a["overall"], result.differences["overall"].difference) == pytest.approx((30.0, 70.0))


def test_one_evaluation_under_two_names_is_compared(capsys):
    for run, name in (("a", "x-2shot"), ("b", "x-2shot-seed0")):
        for folder, seed in ((name, 0), (f"x-2shot-seed{1 + (run == 'b')}", 1 + (run == "b"))):
            known = {"benchmark": "x", "setting": {"shots": 2, "seed": seed}}
            predictions(f"{run}/evaluation/{folder}", WORSE, known)
    assert main(["compare", "a", "b"]) == 0
    said = capsys.readouterr()
    assert "x-2shot CIDEr" in said.out and "seed1 CIDEr" not in said.out
    assert "only a has them: x-2shot-seed1\n" in said.err and "only b has them: x-2shot-seed2\n" in said.err


def test_what_cannot_be_compared_is_left_out_and_the_rest_is_not(capsys):
    few = {"1": "a dog runs"}
    for run, captions, other in (("a", WORSE, WORSE), ("b", BETTER, few)):
        predictions(f"{run}/evaluation/captions", captions)
        predictions(f"{run}/evaluation/afewer", other)
    predictions("a/evaluation/alone", WORSE)
    (predictions("a/evaluation/broken", WORSE)).write_text("{")
    predictions("b/evaluation/broken", WORSE)
    assert main(["compare", "a", "b"]) == 0
    said = capsys.readouterr()
    assert "captions CIDEr" in said.out and "afewer" not in said.out
    assert "afewer: left out: " in said.err and "2 queries stand in one only" in said.err
    assert "broken: left out: " in said.err and "left out, since only a has them: alone" in said.err
    predictions("c/evaluation/captions", few)
    predictions("c/evaluation/afewer", WORSE)
    predictions("d/evaluation/captions", WORSE)
    predictions("d/evaluation/afewer", few)
    assert main(["compare", "c", "d"]) == 2
    assert "nothing that can be compared" in one_line(capsys.readouterr().err)


def test_benchmarks_and_evaluations_are_chosen_by_name(capsys):
    for run, texts in (("a", WORSE), ("b", BETTER)):
        for name in ("flickr", "coco-0shot", "coco-1shot"):
            predictions(f"{run}/evaluation/{name}", texts, {"benchmark": name[:4], "setting": {"name": name}})
    for only, shown in (
        (["coco"], {"coco-0shot", "coco-1shot"}),
        (["coco-1shot", "flickr"], {"coco-1shot", "flickr"}),
    ):
        assert main(["compare", "a", "b", "--only", *only]) == 0
        out = capsys.readouterr().out
        assert {name for name in ("flickr", "coco-0shot", "coco-1shot") if f"{name} CIDEr" in out} == shown
    assert main(["compare", "a", "b", "--only", "vqa"]) == 2
    assert "no benchmark or evaluation 'vqa'; there are coco, flic" in one_line(capsys.readouterr().err)
    files = [f"{run}/evaluation/flickr/predictions.jsonl" for run in ("a", "b")]
    assert main(["compare", *files, "--only", "flickr"]) == 2
    assert "--only chooses among" in one_line(capsys.readouterr().err)


def test_scores_need_no_images(capsys):
    for run in ("a", "b"):
        predictions(f"{run}/evaluation/captions", WORSE)
    Path("a/config.yaml").write_text("data: {}\n")
    assert main(["compare", "a", "b"]) == 0
    said = capsys.readouterr()
    assert "captions CIDEr" in said.out and said.err.count("no gallery: ") == 1


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
