"""The rules of texts and ids."""

from __future__ import annotations

import pytest

from frozenvl.data.records.values import as_id, described, has_fields, one_line, whole_text


@pytest.mark.parametrize(
    ("text", "line"), [(" A dog\n\truns . ", "A dog runs ."), ("a \ud83d b", "a ? b"), ("ü \0", "ü \0")]
)
def test_a_text_becomes_one_line(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "whole"),
    [(" A dog\r\n\truns .\n", "A dog\n\truns ."), ("a \ud83d b", "a ? b"), ("ü  ü", "ü  ü"), (" \n", "")],
)
def test_a_whole_text_keeps_its_lines(text, whole):
    assert whole_text(text) == whole


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (1, "1"),
        ("1", "1"),
        (1.0, "1"),
        (" a ", "a"),
        ("007", "007"),
        (2**70, str(2**70)),
        (-3, "-3"),
        (1e20, "1" + 20 * "0"),
    ],
)
def test_ids_are_text(value, key):
    assert as_id(value) == key


@pytest.mark.parametrize("value", [None, True, "", " ", 1.5, float("nan"), float("inf"), [], {}], ids=repr)
def test_other_values_are_no_ids(value):
    assert as_id(value) is None


def test_values_are_named_as_json_has_them():
    assert [described(v) for v in (None, True, 1.5, "a", " ", [], {})] == [
        "null",
        "true",
        "a number (1.5)",
        "a text ('a')",
        "an empty text",
        "a list",
        "an object",
    ]


def test_fields_of_the_first_record_count():
    assert has_fields([{"a": 1, "b": 2}, 3], "a", "b") and not has_fields([{"a": 1}], "a", "b")
    assert not any(has_fields(rows, "a") for rows in ([], {}, None, ["a"], "a", {"a": 1}))
