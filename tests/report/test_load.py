"""Runs and scores as they are read from folders."""

from __future__ import annotations

import os

import pytest
from trees import write_score, write_vqa

from frozenvl.report.load import read_runs
from frozenvl.report.tables import benchmark_tables
from frozenvl.util.errors import UserError


def test_a_result_has_the_content_of_its_file(tmp_path):
    write_vqa(tmp_path / "a", 4, 31.0, seed=2, view="text-only", partial=True, samples=100, unreadable=3)
    (run,) = read_runs([tmp_path / "a"])
    (result,) = run.results
    assert (run.label, result.run, result.benchmark, result.protocol, result.main) == (
        "a",
        "a",
        "vqa_v2",
        "vqa",
        "overall",
    )
    assert result.setting == {"shots": 4, "induction": False, "demonstrations": "per_question"}
    assert (result.seed, result.view, result.partial, result.samples, result.of) == (
        2,
        "text-only",
        True,
        100,
        261,
    )
    assert result.scores == {"overall": 31.0, "answer_type/number": 15.5}
    assert result.intervals["overall"] == (28.0, 34.0)
    assert (result.unreadable, result.step, result.baselines) == (3, 1500, {"most_frequent": 23.1})


@pytest.mark.parametrize(("blind", "view"), [(False, "seeing"), (True, "blind")])
def test_a_run_that_was_trained_blind_has_a_view_of_its_own(tmp_path, blind, view):
    write_vqa(tmp_path / "a", 0, 30.0, provenance={"blind": blind})
    assert [result.view for result in read_runs([tmp_path / "a"])[0].results] == [view]


def test_scores_of_the_same_setting_and_seed_are_told_apart(tmp_path):
    same = {"benchmark": "b", "setting": {"shots": 1, "seed": 0}}
    write_score(tmp_path / "a", "one", {"overall": 1.0}, **same)
    write_score(tmp_path / "a", "two", {"overall": 2.0}, **same)
    write_score(tmp_path / "a", "three", {"overall": 3.0}, benchmark="b", setting={"shots": 1, "seed": 1})
    settings = {result.name: result.setting for result in read_runs([tmp_path / "a"])[0].results}
    assert settings == {
        "one": {"shots": 1, "evaluation": "one"},
        "two": {"shots": 1, "evaluation": "two"},
        "three": {"shots": 1},
    }


def drawn(run, name: str, value: float, seed: int, fingerprint: str = "", **setting: object):
    """Writes a two-shot score of a seed to an evaluation of any name."""
    facts = {"shots": 2, "demonstrations": "per_question", "seed": seed} | setting
    return write_score(
        run, name, {"overall": value}, benchmark="x", setting=facts, fingerprint=fingerprint or name
    )


@pytest.mark.parametrize("later", ["x-2shot", "x-2shot-seed0"])
def test_of_two_evaluations_with_the_same_predictions_the_newer_counts(tmp_path, later):
    for name in ("x-2shot", "x-2shot-seed0"):
        drawn(tmp_path / "a", name, 30.0, 0, "same")
    os.utime(tmp_path / "a" / "evaluation" / later / "score.json", (2e9, 2e9))
    (result,) = read_runs([tmp_path / "a"])[0].results
    assert (result.name, result.setting) == (later, {"shots": 2, "demonstrations": "per_question"})


@pytest.mark.parametrize("same", [True, False])
def test_different_seeds_never_share_a_row(tmp_path, same):
    for seed in (0, 1):
        drawn(tmp_path / "a", f"x-2shot-seed{seed}", 10.0 + seed, seed, "0" if same and not seed else "")
    drawn(tmp_path / "a", "x-2shot", 10.0, 0, "0")
    drawn(tmp_path / "b", "x-2shot", 20.0, 0)
    runs = read_runs([tmp_path / "a", tmp_path / "b"])
    (table,) = benchmark_tables(runs)
    a, b = table.columns
    rows = {row.label: (row.cells[a].mean, row.cells[b].mean) for row in table.rows}
    if same:
        assert rows == {"2 shots, seed 0": (10.0, 20.0), "2 shots, seed 1": (11.0, None)}
    else:
        assert (rows["2 shots, seed 0"], rows["2 shots, seed 1"]) == ((None, 20.0), (11.0, None))
    rows_of_seeds = [
        {result.seed for run in runs for result in run.results if result.setting == row.setting}
        for row in table.rows
    ]
    assert all(len(seeds) <= 1 for seeds in rows_of_seeds)


def test_seeds_of_all_runs_share_a_row(tmp_path):
    for run, seeds in (("a", (0, 1, 2, 3)), ("b", (0, 1)), ("c", (1, 0, 4))):
        for seed in seeds:
            drawn(tmp_path / run, f"x-2shot-seed{seed}", float(seed), seed)
    settings = {
        (result.run, result.seed): result.setting["seeds"]
        for run in read_runs([tmp_path / "a", tmp_path / "b", tmp_path / "c"])
        for result in run.results
    }
    assert {settings[run, seed] for run in "abc" for seed in (0, 1)} == {"0, 1"}
    assert (settings["a", 2], settings["a", 3], settings["c", 4]) == ("2, 3", "2, 3", "4")
    assert not any("seeds" in result.setting for result in read_runs([tmp_path / "a"])[0].results)


def test_most_similar_demonstrations_have_no_seed(tmp_path):
    for run, seed in (("a", 0), ("b", 5)):
        drawn(tmp_path / run, "x-2shot", 30.0, seed, demonstrations="rices")
    (table,) = benchmark_tables(read_runs([tmp_path / "a", tmp_path / "b"]))
    assert len(table.rows) == 1 and table.common == "demonstrations most similar"


def test_only_wanted_benchmarks_and_views_are_read(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0)
    write_vqa(tmp_path / "a", 0, 25.0, view="text-only")
    write_score(tmp_path / "b", "coco", {"CIDEr": 0.4})
    folders = [tmp_path / "a", tmp_path / "b"]
    wanted = read_runs(folders, ["vqa_v2"], ["text-only"])
    assert [(run.label, [result.view for result in run.results]) for run in wanted] == [("a", ["text-only"])]
    for only, views, said in (
        (["okvqa"], [], "no scores of benchmark 'okvqa'; there are coco, vqa_v2"),
        ([], ["blind"], "no scores of view 'blind'; there are seeing, text-only"),
        (["coco"], ["text-only"], "no scores of coco in the view text-only"),
    ):
        with pytest.raises(UserError, match=said):
            read_runs(folders, only, views)


def test_runs_of_the_same_name_are_named_by_their_paths(tmp_path):
    for folder in ("x/run", "y/run", "z/other"):
        write_vqa(tmp_path / folder, 0, 30.0)
    labels = [run.label for run in read_runs([tmp_path / "x/run", tmp_path / "y/run", tmp_path / "z/other"])]
    assert labels == [str(tmp_path / "x/run"), str(tmp_path / "y/run"), "other"]


def test_runs_that_cannot_be_compared(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0)
    with pytest.raises(UserError, match="a: named twice"):
        read_runs([tmp_path / "a", tmp_path / "b" / ".." / "a"])
    with pytest.raises(UserError, match=r"nowhere: no scores there .*validate it first"):
        read_runs([tmp_path / "nowhere"])


def test_nan_scores_are_kept(tmp_path):
    write_score(tmp_path / "a", "x", {"overall": 1.0, "rare": float("nan")})
    (result,) = read_runs([tmp_path / "a"])[0].results
    assert result.scores["overall"] == 1.0 and result.scores["rare"] != result.scores["rare"]
