"""What is read of score.json files, also of those that older versions wrote."""

from __future__ import annotations

import json

import pytest
from trees import write_score, write_vqa

from frozenvl.errors import UserError
from frozenvl.report.reading import read_runs


def test_a_result_says_what_its_file_says(tmp_path):
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
def test_files_of_older_versions(tmp_path, blind, view):
    drawn = {"from": "vqa", "seed": 5, "drawn": "per question"}
    old = {"blind": blind, "shots": 4, "demonstrations": drawn}
    write_score(tmp_path / "a", "vqa-4shot", {"overall": 30.0}, circumstances=old)
    write_score(tmp_path / "a", "vqa-0shot", {"overall": 20.0}, circumstances=old | {"shots": 0})
    write_score(tmp_path / "a", "captions", {"Bleu_4": 0.1, "CIDEr": 0.4})
    captions, none, four = read_runs([tmp_path / "a"])[0].results
    assert (captions.benchmark, captions.protocol, captions.main, captions.setting) == (
        "captions",
        "captions",
        "CIDEr",
        {},
    )
    assert (none.benchmark, none.setting, none.seed) == ("vqa", {"shots": 0}, None)
    assert (four.benchmark, four.protocol, four.main, four.view) == ("vqa", "vqa", "overall", view)
    assert (four.setting, four.seed) == ({"shots": 4, "demonstrations": "per_question"}, 5)


def test_a_file_with_scores_alone(tmp_path):
    folder = tmp_path / "a" / "evaluation" / "mine"
    folder.mkdir(parents=True)
    (folder / "score.json").write_text('{"scores": {"precision": 3}}')
    (result,) = read_runs([tmp_path / "a"])[0].results
    assert (result.name, result.benchmark, result.main, result.view) == (
        "mine",
        "mine",
        "precision",
        "seeing",
    )
    assert (result.intervals, result.baselines, result.circumstances, result.samples) == ({}, {}, {}, None)


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


def test_runs_of_the_same_name_are_named_by_their_paths(tmp_path):
    for folder in ("x/run", "y/run", "z/other"):
        write_vqa(tmp_path / folder, 0, 30.0)
    labels = [run.label for run in read_runs([tmp_path / "x/run", tmp_path / "y/run", tmp_path / "z/other"])]
    assert labels == [str(tmp_path / "x/run"), str(tmp_path / "y/run"), "other"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a score.json"),
        ("{}", "missing 'scores'"),
        ('{"scores": {}}', "it has no scores"),
        ('{"scores": {"overall": "many"}}', "could not convert"),
        ('{"scores": {"overall": 1}, "main": "CIDEr"}', "main score 'CIDEr' is not among"),
        ('{"scores": {"overall": 1}, "intervals": {"overall": [1]}}', "not enough values"),
        ('{"scores": {"overall": 1}, "setting": 3}', "not a score.json"),
    ],
)
def test_a_bad_score_is_said_in_one_line(tmp_path, content, said):
    folder = tmp_path / "a" / "evaluation" / "x"
    folder.mkdir(parents=True)
    (folder / "score.json").write_text(content)
    with pytest.raises(UserError) as error:
        read_runs([tmp_path / "a"])
    assert str(folder / "score.json") in str(error.value) and said in str(error.value)
    assert "\n" not in str(error.value)


def test_runs_that_cannot_be_compared(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0)
    with pytest.raises(UserError, match="a: named twice"):
        read_runs([tmp_path / "a", tmp_path / "b" / ".." / "a"])
    with pytest.raises(UserError, match=r"nowhere: no scores there .*validate it first"):
        read_runs([tmp_path / "nowhere"])


def test_numbers_that_are_none(tmp_path):
    folder = write_score(tmp_path / "a", "x", {"overall": 1.0, "rare": 2.0})
    content = json.loads((folder / "score.json").read_text())
    content["scores"]["rare"] = float("nan")
    (folder / "score.json").write_text(json.dumps(content))
    (result,) = read_runs([tmp_path / "a"])[0].results
    assert result.scores["overall"] == 1.0 and result.scores["rare"] != result.scores["rare"]
