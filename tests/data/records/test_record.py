"""Records of a list: places and kinds. Their fields are tested with files, in test_record_file.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.records.problems import Problems
from frozenvl.data.records.record import Record, records_of
from frozenvl.util.errors import UserError


def test_records_are_named_by_place_and_id():
    file = Problems(Path("a.json"), "a layout")
    rows = [{"id": 7.0}, {"file_name": "b.jpg"}, {"x": 1}]
    names = [row.name for row in records_of(file, rows, "images", "images")]
    assert names == ["images[0] (id 7)", "images[1] (file_name b.jpg)", "images[2]"]
    assert [row.name for row in records_of(file, rows[2:], "", "")] == ["record [0]"]
    assert [row.name for row in records_of(file, rows[:1], "", "record ['k']", keyed=True)] == [
        "record ['k'] (id 7)"
    ]
    file.check()


def test_entries_that_are_no_objects_are_problems():
    file = Problems(Path("a.json"), "a layout")
    assert len([*records_of(file, [{}, 3], "images", "images")]) == 1
    with pytest.raises(UserError, match=r"images\[1\] is a number \(3\), not an object"):
        file.check()


def test_a_record_is_not_ok_after_a_problem():
    record = Record(Problems(Path("a.json")), {"x": "a"}, "", "", 0)
    assert record.text("x") == "a" and record.ok
    assert record.text("y") == "" and not record.ok
