"""Checks of rows: texts to train on, choices, ids, and records of converted examples."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from parquet import images

from frozenvl.data.arrow.columns import choose
from frozenvl.data.arrow.rows import choose_ids, count_targets
from frozenvl.data.shards.record import as_record
from frozenvl.prompt import BlackImage, Example


def table(**columns) -> pa.Table:
    size = len(next(iter(columns.values())))
    return pa.table({"image": images(*range(size)), **columns})


def checked(rows: pa.Table, given=None, kept=None) -> tuple[list[int], list[tuple[int, str]]]:
    """Returns the number of targets of each row, and the problems."""
    found: list = []
    kept = np.ones(len(rows), bool) if kept is None else np.array(kept)
    targets = count_targets(rows, choose("data", rows.schema, given), kept, found)
    return targets.tolist(), sorted(map(tuple, found))


def test_captions_are_counted_and_withheld_ones_are_none():
    assert checked(table(caption=[["a", "b"], ["c"]])) == ([2, 1], [])
    assert checked(table(caption=["a", "b"])) == ([1, 1], [])
    assert checked(table(caption=pa.array([[], None], pa.list_(pa.string())))) == ([0, 0], [])
    targets, found = checked(table(caption=["a", None, "c"]), kept=[True, False, True])
    assert (targets, found) == ([1, 1], [])


def test_a_question_has_one_target_if_it_has_an_answer():
    answers = [[{"answer": "a"}, {"answer": ""}], [{"answer": "b"}]]
    assert checked(table(question=["q", "r"], answers=answers)) == ([1, 1], [])
    assert checked(table(question=["q", "r"])) == ([0, 0], [])
    assert checked(table(question=["q", "r"], answers=pa.array([None, None], pa.string()))) == ([0, 0], [])
    _, found = checked(table(question=["q", None, ""], answers=[["a"], [""], [None]]))
    assert found == [
        (1, "'answers' has only empty texts"),
        (1, "'question' is null"),
        (2, "'question' is an empty text"),
        (2, "answers[0] is null"),
    ]


def test_the_number_of_the_correct_choice_has_to_exist():
    choices = [["a", "b"], ["c"], ["d", "e"]]
    assert checked(table(question=["q"] * 3, choices=choices, answer=[1, 0, 0])) == ([1, 1, 1], [])
    assert checked(table(question=["q"] * 3, choices=choices, answer=[None, -1, -1])) == ([0, 0, 0], [])
    _, found = checked(table(question=["q"] * 3, choices=choices, answer=[2, 0, 9]))
    assert found == [
        (0, "'answer' is 2, but there are 2 choices, counted from 0"),
        (2, "'answer' is 9, but there are 2 choices, counted from 0"),
    ]


def test_an_answer_in_words_has_to_be_a_choice():
    choices = [["a", "b"], ["c"]]
    assert checked(table(question=["q"] * 2, choices=choices, answer=["b", "c"])) == ([1, 1], [])
    _, found = checked(table(question=["q"] * 2, choices=choices, answer=["b", "1"]))
    assert found == [(1, "'answer' is none of its choices")]


def test_records_of_converted_examples_are_counted_and_checked():
    example = Example("7", BlackImage(), "x", ("a", "b"), "q?", "a")
    records = [json.dumps(as_record(example)), None, "{}", "no JSON", "[]"]
    targets, found = checked(table(caption=[["a"], ["b", "c"], [], [], []], frozenvl=records))
    assert targets[:2] == [1, 2]
    assert found == [(row, "'frozenvl' is not an example's record") for row in (2, 3, 4)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": [1, 2, 3]}, "id"),
        ({"id": [1, 1, 3], "image_id": [7, 8, 9]}, "image_id"),
        ({"id": ["a", None, "b"]}, ""),
        ({"id": [1, 1, 1]}, ""),
        ({}, ""),
    ],
    ids=["unique", "the next", "null", "repeated", "none"],
)
def test_ids_are_found_where_they_differ_from_row_to_row(columns, expected):
    rows = table(caption=["a", "b", "c"], **columns)
    found: list = []
    assert choose_ids(rows, choose("data", rows.schema), np.ones(3, bool), found) == expected and not found


def test_ids_that_were_named_have_to_differ():
    rows = table(caption=["a", "b", "c", "d", "e"], n=[7, 7, None, 8, 8])
    found: list = []
    kept = np.array([True, True, True, False, True])
    assert choose_ids(rows, choose("data", rows.schema, {"id": "n"}), kept, found) == "n"
    assert found == [(1, "'n' is 7, as in row 0"), (2, "'n' is null")]
