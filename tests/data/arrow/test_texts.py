"""Texts of Arrow columns: every type that holds texts, and every kind of problem."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from frozenvl.data.arrow.texts import (
    Problem,
    is_text,
    matching,
    problems,
    read_texts,
    refuse,
    text_field,
    texts_of,
)
from frozenvl.util.errors import UserError

FIELDS = ("raw", "text")
OBJECT = pa.struct({"raw": pa.string(), "n": pa.int64()})
COLUMNS = {
    "text": (pa.array(["a", "b  c"]), "", [("a",), ("b c",)]),
    "large text": (pa.array(["a", "b"], pa.large_string()), "", [("a",), ("b",)]),
    "text view": (pa.array(["a", "b"], pa.string_view()), "", [("a",), ("b",)]),
    "dictionary": (pa.array(["a", "a"]).dictionary_encode(), "", [("a",), ("a",)]),
    "list": (pa.array([["a", "b"], ["c"]]), "", [("a", "b"), ("c",)]),
    "large list": (pa.array([["a"], ["c"]], pa.large_list(pa.large_string())), "", [("a",), ("c",)]),
    "fixed list": (
        pa.array([["a", "b"], ["c", "d"]], pa.list_(pa.string(), 2)),
        "",
        [("a", "b"), ("c", "d")],
    ),
    "object": (pa.array([{"raw": "a", "n": 1}, {"raw": "b", "n": 2}], OBJECT), "raw", [("a",), ("b",)]),
    "objects": (
        pa.array([[{"raw": "a"}, {"raw": "b"}], [{"raw": "c"}]], pa.list_(OBJECT)),
        "raw",
        [("a", "b"), ("c",)],
    ),
    "object of lists": (pa.array([{"raw": ["a", "b"]}, {"raw": ["c"]}]), "raw", [("a", "b"), ("c",)]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_texts_of_every_type(name):
    array, field, expected = COLUMNS[name]
    assert text_field(array.type, FIELDS) == field
    assert [texts_of(value, field) for value in array.to_pylist()] == expected
    texts = read_texts(pa.chunked_array([array[:1], array[1:]]), field)
    assert texts.counts.tolist() == texts.filled.tolist() == [len(row) for row in expected]
    assert not texts.wrong and not texts.empty


@pytest.mark.parametrize(
    "kind",
    [pa.int64(), pa.float64(), pa.bool_(), pa.binary(), pa.list_(pa.int64()), pa.struct({"raw": pa.int64()})],
    ids=str,
)
def test_types_that_hold_no_text(kind):
    assert text_field(kind, FIELDS) is None and not is_text(kind)


def test_the_first_field_in_order_of_preference_holds_the_texts():
    both = pa.struct({"text": pa.string(), "raw": pa.string()})
    assert text_field(both, FIELDS) == "raw" and text_field(both, ("text", "raw")) == "text"
    assert text_field(pa.struct({"other": pa.string()}), FIELDS) is None


BAD = pa.chunked_array([
    pa.array([["a", None], [], None]),
    pa.array([["fine"], ["b", " \n", "\u3000"], ["['in a list']"]]),
])  # fmt: skip
SPELLED = ("['a', 'b']", '["c"]', " [ ]\n", "['a\n', \"it's\"]")


def found(array, kept=None, **options) -> list[Problem]:
    texts = read_texts(array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array]))
    return sorted(
        problems("caption", texts, np.ones(len(array), bool) if kept is None else np.array(kept), **options)
    )


def test_every_kind_of_problem_is_found_with_its_row_and_place():
    assert found(BAD) == [
        (0, "caption[1] is null"),
        (1, "'caption' is an empty list"),
        (2, "'caption' is null"),
        (4, "caption[1] is an empty text"),
        (4, "caption[2] is an empty text"),
    ]
    assert found(BAD, [False, False, True, True, False, False]) == [(2, "'caption' is null")]
    assert found(pa.array(["a", "", None])) == [(1, "'caption' is an empty text"), (2, "'caption' is null")]


def test_hidden_values_of_null_lists_are_no_texts():
    """A null list may have values, as have lists in null objects."""
    mask = pa.array([True, False])
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["x", "y", "a"]), mask=mask)
    objects = pa.StructArray.from_arrays([pa.array([["x", ""], ["a"]])], ["raw"], mask=mask)
    for array, field in ((lists, ""), (objects, "raw")):
        texts = read_texts(pa.chunked_array([array]), field)
        assert (texts.counts.tolist(), texts.filled.tolist()) == ([-1, 1], [0, 1])
        assert not texts.wrong and not texts.empty
    choices = pa.ListArray.from_arrays(pa.array([0, 1, 2]), pa.array(["x", "a"]), mask=mask)
    assert matching(pa.chunked_array([choices]), pa.chunked_array([pa.array(["x", "a"])])).tolist() == [
        False,
        True,
    ]


def test_places_in_objects_of_lists():
    array = pa.array([{"raw": ["a", ""]}, {"raw": [None]}])
    texts = read_texts(pa.chunked_array([array]), "raw")
    assert (texts.empty, texts.wrong) == ([(0, 1)], [(1, 0, "null")])


def test_a_text_that_spells_a_list_is_a_problem():
    spelled = "'caption' is a text that spells a list; make the column one of lists"
    assert found(pa.array([*SPELLED, "[a] dog", "a [dog]", "[dog]"])) == [
        (row, spelled) for row in range(len(SPELLED))
    ]


def test_some_answers_may_be_empty_but_not_all_and_none_null():
    answers = pa.array([["", "a"], ["", ""], ["a", None], ["b"]])
    assert found(answers, some_empty=True) == [
        (1, "'caption' has only empty texts"),
        (2, "caption[1] is null"),
    ]


def test_texts_that_are_withheld_from_all_rows_are_no_problem():
    assert (
        found(pa.array([None, None], pa.string())) == found(pa.array([[], None], pa.list_(pa.string()))) == []
    )
    assert len(found(pa.array([None, None], pa.string()), required=True)) == 2
    assert found(pa.array(["a", None]), [False, True]) == []


def test_problems_are_listed_in_the_order_of_rows_and_counted():
    refuse("data", [])
    with pytest.raises(UserError, match=r"^data: row 3 \(from 0\): b; correct or remove it$"):
        refuse("data", [Problem(3, "b")])
    with pytest.raises(UserError) as raised:
        refuse("data", [Problem(n, "x") for n in reversed(range(25))])
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("data: 25 problems") and lines[1] == "  row 0 (from 0): x"
    assert lines[20:] == ["  row 19 (from 0): x", "  … and 5 more"]


def test_an_answer_is_found_among_its_choices():
    choices = pa.chunked_array([pa.array([["a", "b"]]), pa.array([["a"], None, []])])
    answers = pa.chunked_array([pa.array(["b", "c", "a", "a"])])
    assert matching(choices, answers).tolist() == [True, False, False, False]
