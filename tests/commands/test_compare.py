"""`frozenvl compare`: what it prints, draws and leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import one_line
from trees import BETTER, WORSE, write_captions

from frozenvl.cli import main
from frozenvl.commands.compare import rows_of
from frozenvl.metrics.bootstrap import Difference
from frozenvl.metrics.metric import Metric
from frozenvl.report.compare import Comparison


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_scores_and_their_difference_are_printed(capsys):
    a = write_captions("a/evaluation/captions", WORSE).parents[2]
    b = write_captions("b/evaluation/captions", BETTER).parents[2]
    assert main(["compare", str(a), str(b)]) == 0
    printed = capsys.readouterr()
    assert "CIDEr" in printed.out and "B - A" in printed.out
    assert "no gallery" in printed.err


def test_equal_settings_are_compared_even_if_folder_names_differ(capsys):
    for run, name in (("a", "x-2shot"), ("b", "x-2shot-seed0")):
        for folder, seed in ((name, 0), (f"x-2shot-seed{1 + (run == 'b')}", 1 + (run == "b"))):
            known = {"benchmark": "x", "setting": {"shots": 2, "seed": seed}}
            write_captions(f"{run}/evaluation/{folder}", WORSE, known)
    assert main(["compare", "a", "b"]) == 0
    printed = capsys.readouterr()
    assert "x-2shot CIDEr" in printed.out and "seed1 CIDEr" not in printed.out
    assert (
        "only a has them: x-2shot-seed1\n" in printed.err
        and "only b has them: x-2shot-seed2\n" in printed.err
    )


def test_evaluations_that_cannot_be_compared_are_left_out(capsys):
    few = {"1": "a dog runs"}
    for run, captions, other in (("a", WORSE, WORSE), ("b", BETTER, few)):
        write_captions(f"{run}/evaluation/captions", captions)
        write_captions(f"{run}/evaluation/afewer", other)
    write_captions("a/evaluation/alone", WORSE)
    (write_captions("a/evaluation/broken", WORSE)).write_text("{")
    write_captions("b/evaluation/broken", WORSE)
    assert main(["compare", "a", "b"]) == 0
    printed = capsys.readouterr()
    assert "captions CIDEr" in printed.out and "afewer" not in printed.out
    assert "afewer: left out: " in printed.err and "2 queries stand in one only" in printed.err
    assert "broken: left out: " in printed.err and "left out, since only a has them: alone" in printed.err
    write_captions("c/evaluation/captions", few)
    write_captions("c/evaluation/afewer", WORSE)
    write_captions("d/evaluation/captions", WORSE)
    write_captions("d/evaluation/afewer", few)
    assert main(["compare", "c", "d"]) == 2
    assert "nothing that can be compared" in one_line(capsys.readouterr().err)


def test_benchmarks_and_evaluations_are_chosen_by_name(capsys):
    for run, texts in (("a", WORSE), ("b", BETTER)):
        for name in ("flickr", "coco-0shot", "coco-1shot"):
            write_captions(
                f"{run}/evaluation/{name}", texts, {"benchmark": name[:4], "setting": {"name": name}}
            )
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


def test_scores_are_compared_without_images(capsys):
    for run in ("a", "b"):
        write_captions(f"{run}/evaluation/captions", WORSE)
    Path("a/config.yaml").write_text("data: {}\n")
    assert main(["compare", "a", "b"]) == 0
    printed = capsys.readouterr()
    assert "captions CIDEr" in printed.out and printed.err.count("no gallery: ") == 1


def test_out_writes_a_gallery_for_each_evaluation(tiny_run, capsys):
    assert main(["compare", str(tiny_run), str(tiny_run), "--out", "drawn"]) == 0
    assert {path.name for path in Path("drawn").iterdir()} == {
        "captions.png",
        "vqa-0shot.png",
        "vqa-2shot.png",
    }


def test_different_queries_and_missing_files_are_refused(capsys):
    write_captions("a", WORSE)
    write_captions("b", {"1": "a dog"})
    assert main(["compare", "a/predictions.jsonl", "b/predictions.jsonl"]) == 2
    assert "2 queries stand in one only (first: 2)" in one_line(capsys.readouterr().err)
    assert main(["compare", "a/predictions.jsonl", "nowhere"]) == 2
    assert "nowhere: no such file" in one_line(capsys.readouterr().err)


def test_a_row_has_both_scores_their_difference_and_its_interval():
    """The metric sets the number of digits; breakdowns are printed only with --all."""
    differences = {
        "overall": Difference(difference=-2.25, low=-5.0, high=0.5, p=0.1234),
        "answer_type/number": Difference(difference=1.0, low=0.0, high=2.0, p=1.0),
    }
    scores = {"overall": 30.5, "answer_type/number": 10.0}
    metrics = [Metric("overall", "%", digits=2, main=True)]
    found = Comparison(differences, metrics, scores, [], {}, ({}, {}), [])
    overall = ["overall", "30.50", "28.25", "-2.25", "[-5.00, 0.50]", "0.123"]
    assert list(rows_of(found, every=False)) == [overall]
    assert list(rows_of(found, every=True)) == [
        overall,
        ["answer_type/number", "10.00", "11.00", "1.00", "[0.00, 2.00]", "1.000"],
    ]


def test_comparing_a_run_with_a_file_is_refused(capsys):
    for name in ("captions", "other"):
        write_captions(f"a/evaluation/{name}", WORSE)
    write_captions("b", BETTER)
    assert main(["compare", "a", "b/predictions.jsonl"]) == 2
    assert one_line(capsys.readouterr().err) == "compare two runs or two files, not one of each"


def test_runs_without_a_common_evaluation_are_refused(capsys):
    write_captions("a/evaluation/one", WORSE)
    write_captions("b/evaluation/other", BETTER, {"benchmark": "other"})
    assert main(["compare", "a", "b"]) == 2
    error = capsys.readouterr().err
    assert "left out, since only a has them: one\n" in error
    assert error.endswith("frozenvl: error: a and b: no evaluation in common\n")
