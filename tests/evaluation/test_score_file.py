"""score.json: writing, reading, and errors in one line, without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from scores import score_of, write

from frozenvl.evaluation.score_file import read_score, score_files
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError


def test_a_score_is_read_as_it_was_written(tmp_path):
    own = (Metric("recall@1", "%", main=True), Metric("rank", digits=0, better="lower"))
    score = score_of(
        "x", {"rank": 3.0, "recall@1": 12.5, "recall@1/dogs": 20.0}, metrics=own, protocol="mine"
    )
    write(tmp_path, score)
    (file,) = score_files(tmp_path)
    assert read_score(file) == score
    assert json.loads(file.read_text())["schema"] == 2
    assert (score.main, score.shown) == ("recall@1", ["recall@1", "rank"])
    assert score.metric("rank").better == "lower"
    dogs = score.metric("recall@1/dogs")  # score of a group of queries
    assert (dogs.unit, dogs.digits, dogs.main, dogs.shown) == ("%", 1, False, False)


def test_notes_are_kept_and_older_files_have_none(tmp_path):
    file = write(tmp_path, score_of("x", {"overall": 1.0}, notes=["a note", "another"])) / "score.json"
    assert read_score(file).notes == ["a note", "another"]
    content = json.loads(file.read_text())
    del content["notes"]
    file.write_text(json.dumps(content))
    assert read_score(file).notes == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a score.json of schema 2"),
        ({"schema": None}, "not a score.json of schema 2"),
        ({"schema": 1}, "not a score.json of schema 2"),
        ({"scores": None}, "missing 'scores'"),
        ({"scores": {}}, "it has no scores"),
        ({"scores": {"overall": "many"}}, "could not convert"),
        ({"scores": {"other": 1}}, "main score 'overall' is not among"),
        ({"metrics": [{"name": "overall"}]}, "0 of the metrics (overall) have main=True"),
        ({"metrics": [{"title": "overall"}]}, "unexpected keyword"),
        ({"intervals": {"overall": [1]}}, "not enough values"),
        ({"setting": 3}, "not iterable"),
        ({"notes": 3}, "not iterable"),
    ],
)
def test_a_bad_score_is_one_error_line(tmp_path, changes, message):
    file = write(tmp_path, score_of("x", {"overall": 1.0})) / "score.json"
    if isinstance(changes, str):
        file.write_text(changes)
    else:
        content = json.loads(file.read_text()) | changes
        file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    with pytest.raises(UserError) as error:
        read_score(file)
    line = str(error.value)
    assert line.startswith(str(file)) and message in line and "\n" not in line
    assert changes == "{" or "validate or evaluate the run again" in line


@pytest.mark.parametrize(
    "module",
    [
        "evaluation.score_file",
        "report.html",
        "report.compare",
        "report.terminal",
        "commands.report",
        "sweep.report",
    ],
)
def test_scores_and_reports_need_no_torch(module):
    code = f"import sys, frozenvl.{module}; sys.exit(bool({{'torch', 'lightning', 'transformers'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
