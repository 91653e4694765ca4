"""Records of annotation files: fields, and refusals that name file, record, field and value, all at once."""

from __future__ import annotations

import gc
import json

import pytest

from frozenvl.data.records.problems import MAX_NAMED
from frozenvl.data.records.record_file import RecordFile
from frozenvl.util.errors import UserError


@pytest.fixture
def opened(tmp_path):
    def make(content: object, **more) -> RecordFile:
        (tmp_path / "x.json").write_text(json.dumps(content))
        return RecordFile(tmp_path / "x.json", "a layout", **more)

    return make


def problem_of(file: RecordFile, read) -> str:
    with pytest.raises(UserError) as error, file.reading():
        read(file)
    return str(error.value).removeprefix(f"{file.path}: ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"b.json: no such file; .*--data.root"):
        RecordFile(tmp_path / "b.json", "a layout")


def test_fields_are_read(opened):
    row = {
        "id": 7.0,
        "caption": " a \n dog ",
        "captions": ["a", "b "],
        "answers": ["x", {"answer": "y"}, ""],
        "number": 3,
        "file": " a.jpg",
        "none": None,
        "rows": [{"id": 1}, {"id": 2}],
        "domain": "in",
    }
    file = opened([row])
    with file.reading():
        (record,) = file.records()
        assert record.name == "record [0] (id 7)"
        assert (record.id("id"), record.text("caption"), record.file("file")) == ("7", "a dog", "a.jpg")
        assert record.texts("captions") == ("a", "b") and record.texts("caption") == ("a dog",)
        assert record.answers("answers") == ("x", "y", "") and record.answers("caption") == ("a dog",)
        assert record.text("number", numbers=True) == "3"
        assert record.text("none", optional=True) == record.text("nothing", optional=True) == ""
        assert [inner.name for inner in record.records("rows")] == [
            "record [0].rows[0] (id 1)",
            "record [0].rows[1] (id 2)",
        ]
        assert record.labels("domain", "none", "number", "nothing") == {"domain": "in", "number": "3"}
        assert record.ok


def test_an_object_by_id_is_read(opened):
    file = opened({"a": {"x": "1"}, "b": {"x": 2}})
    with pytest.raises(UserError, match=r"record \['b'\]: 'x' is a number \(2\), not a text"), file.reading():
        assert [(key, row.text("x")) for key, row in file.by_key()] == [("a", "1"), ("b", "")]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "null"),
        (float("nan"), "NaN"),
        (7, "a number (7)"),
        (False, "false"),
        ({}, "an object"),
        ([[]], "a list"),
        ("", "an empty text"),
    ],
    ids=["null", "nan", "number", "false", "object", "list", "empty"],
)
def test_a_wrong_value_is_named_with_its_record(opened, value, found):
    good = {"id": 4, "x": "text", "n": 1}
    for method in ("text", "texts", "answers", "file", "id"):
        if (method, value) == ("id", 7):  # a whole number is an id
            continue
        file = opened({"rows": [good, good | {"id": 5, "x": value}]})
        line = problem_of(file, lambda f, m=method: [getattr(row, m)("x") for row in f.records("rows")])
        in_list = value == [[]] and method in ("texts", "answers")
        assert line.startswith(f"rows[1] (id 5): {'x[0]' if in_list else repr('x')} is {found}")
        assert line.endswith("; correct or remove it")


def test_all_problems_are_reported_at_once(opened):
    file = opened([{"id": n, "x": None if n % 2 else "a", "y": n} for n in range(100)])
    message = problem_of(file, lambda f: [(row.text("x"), row.text("y")) for row in f.records()])
    lines = message.splitlines()
    assert lines[0] == "150 problems; correct or remove these records:"
    assert lines[1] == "  record [0] (id 0): 'y' is a number (0), not a text"
    assert lines[2] == "  record [1] (id 1): 'x' is null, not a text"
    assert len(lines) == MAX_NAMED + 2 and lines[-1] == "  … and 130 more"


def test_a_field_that_some_records_lack_is_a_problem_of_these(opened):
    file = opened([{"x": "a"}, {"image": "b.jpg"}])
    assert problem_of(file, lambda f: [row.text("x") for row in f.records()]) == (
        "record [1] (image b.jpg): has no 'x'; correct or remove it"
    )


def test_a_field_that_all_records_lack_means_another_layout(opened):
    karpathy = {"images": [{"filename": "a.jpg", "sentences": []}] * 2}
    message = problem_of(opened(karpathy), lambda f: [row.id("id") for row in f.records("images")])
    assert message == (
        "not a layout (no record of 'images' has 'id'); this is Karpathy's JSON: use KarpathyCaptions "
        "(--annotations x.json)"
    )


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ([], "rows", "it is a list, not an object with 'rows'"),
        ({}, "rows", "'rows' is missing, not a list"),
        ({"rows": {"a": 1}}, "rows", "'rows' is an object, not a list"),
        ({"rows": []}, None, "it is an object, not a list"),
    ],
)
def test_a_file_without_the_list_has_another_layout(opened, content, key, message):
    assert f"not a layout ({message})" in problem_of(opened(content), lambda f: [*f.records(key)])


def test_an_entry_that_is_no_object_is_a_problem(opened):
    message = problem_of(opened([{"x": "a"}, "b"]), lambda f: [row.text("x") for row in f.records()])
    assert message == "record [1] is a text ('b'), not an object; correct or remove it"


@pytest.mark.parametrize("error", [KeyError("a"), TypeError("b"), ValueError("c"), RecursionError("d")])
def test_a_reader_that_fails_means_another_layout(opened, error):
    def read(file):
        raise error

    assert f"not a layout ({type(error).__name__}" in problem_of(opened([]), read)


def test_image_files_need_no_name_where_they_are_not_read(opened):
    with opened([{"x": 1}], named=False).reading() as _:
        pass
    file = opened([{"x": 1}], named=False)
    with file.reading():
        assert [row.file("file_name") for row in file.records()] == [""]


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_restored_even_after_an_error(opened, collects):
    before, file = gc.isenabled(), opened([])
    try:
        gc.enable() if collects else gc.disable()
        with file.reading():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(UserError), file.reading():
            int("b")
        assert gc.isenabled() == collects
    finally:
        gc.enable() if before else gc.disable()


@pytest.mark.parametrize("method", ["texts", "answers"])
@pytest.mark.parametrize("absent", [{}, {"x": None}], ids=["missing", "null"])
def test_a_field_may_be_withheld_from_all_records_but_not_from_some(opened, method, absent):
    def read(file):
        return [getattr(row, method)("x", optional=True) for row in file.records()]

    file = opened([{"id": 1} | absent, {"id": 2} | absent])
    with file.reading():
        assert read(file) == [(), ()]
    message = problem_of(opened([{"id": 1, "x": "a"}, {"id": 2} | absent]), read)
    assert message == "record [1] (id 2): has no 'x', which other records have; correct or remove it"


def test_an_id_that_stands_twice_in_an_object_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"7": {"x": "a"}, "8": {"x": "b"}, "7": {"x": "c"}}')
    file = RecordFile(tmp_path / "x.json", "a layout")
    message = problem_of(file, lambda f: [row.text("x") for _, row in f.by_key()])
    assert message == "'7' stands 2 times in one object; correct or remove it"


def test_a_mistake_in_a_class_of_somebody_else_is_reported_as_theirs(opened):
    class Reader:
        pass

    with pytest.raises(UserError, match=r"Reader.read fails on .*x.json: AttributeError: .*idd.* .--debug"):
        file = opened([{"id": 1}])
        with file.reading(Reader):
            [row.idd("x") for row in file.records()]
