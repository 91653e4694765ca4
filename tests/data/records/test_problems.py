"""Problems of a file, in one refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.records.problems import MAX_NAMED, Problems
from frozenvl.util.errors import UserError


def test_a_file_without_problems_passes():
    Problems(Path("a.csv")).check()


def test_one_problem_is_one_line_and_several_are_listed():
    problems = Problems(Path("a.csv"))
    problems.problem("row 3: no caption")
    with pytest.raises(UserError, match=r"^a.csv: row 3: no caption; correct or remove it$"):
        problems.check()
    for row in range(MAX_NAMED):
        problems.problem(f"row {10 + row}: no caption")
    with pytest.raises(UserError) as error:
        problems.check()
    lines = str(error.value).splitlines()
    assert lines[:2] == ["a.csv: 21 problems; correct or remove these records:", "  row 3: no caption"]
    assert lines[-1] == "  … and 1 more" and len(lines) == MAX_NAMED + 2


def test_a_field_is_missing_from_all_records_or_from_some():
    problems = Problems(Path("a.json"), "COCO's")
    for _ in range(2):
        problems.seen("images")
        problems.missing("images", "id")
    with pytest.raises(UserError, match=r"^a.json: not COCO's \(no record of 'images' has 'id'\)$"):
        problems.check()
    problems.seen("images")
    problems.check()  # the record that has it: `problem` has named the others


def test_problems_can_be_forgiven(tmp_path):
    problems = Problems(tmp_path / "a.json")
    problems.problem("first")
    count = problems.count
    assert problems.forgive(count) == ""
    problems.problem("second")
    problems.problem("third")
    assert problems.forgive(count) == "second" and problems.count == 1
    problems.remedy_of_records = " (or not)"
    with pytest.raises(UserError, match=r"a.json: first; correct or remove it \(or not\)"):
        problems.check()


def test_of_many_problems_the_first_is_forgotten(tmp_path):
    problems = Problems(tmp_path / "a.json")
    for number in range(MAX_NAMED):
        problems.problem(str(number))
    problems.problem("more")
    assert problems.forgive(MAX_NAMED) == "a record" and problems.count == MAX_NAMED
    assert problems.forgive(0) == "0"
    problems.check()
