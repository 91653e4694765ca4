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


@pytest.mark.parametrize(
    ("value", "files"),
    [(None, ()), (" a.jpg ", ("a.jpg",)), (["a.jpg", " b.jpg"], ("a.jpg", "b.jpg")), ([], ())],
)
def test_a_record_names_any_number_of_files(value, files):
    record = Record(Problems(Path("a.json")), {"image": value}, "", "", 0)
    assert record.files("image") == files and record.ok
    assert record.files("other") == () and record.ok


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (3, r"'image' is a number \(3\), not the name of a file, or a list of names"),
        ("", "'image' is an empty text"),
        (["a.jpg", 3], r"image\[1\] is a number \(3\), not the name of a file"),
        (["a\0.jpg"], r"image\[0\] is a text"),
    ],
)
def test_other_values_name_no_files(value, problem):
    file = Problems(Path("a.json"))
    record = Record(file, {"image": value}, "", "", 0)
    record.files("image")
    assert not record.ok
    with pytest.raises(UserError, match=problem):
        file.check()


def test_a_whole_text_of_a_record():
    file = Problems(Path("a.json"))
    record = Record(file, {"x": " a\nb ", "y": " "}, "", "", 0)
    assert record.whole_text("x") == "a\nb" and record.ok
    assert record.whole_text("y") == "" and not record.ok
    with pytest.raises(UserError, match="'y' is an empty text"):
        file.check()
