"""Order of queries under a limit, and vectors of answers."""

from __future__ import annotations

import numpy as np
import pytest
from toy import Rows

from frozenvl.data.order import mixed
from frozenvl.data.stream import Task
from frozenvl.evaluation.benchmarks import Retrieval, Tagging, ZeroShot
from frozenvl.evaluation.benchmarks.sourced import named_errors, placed, vectors_of
from frozenvl.evaluation.query import Answer, Query
from frozenvl.util.errors import UserError

QUERIES = [Query(str(number), ("x",), "") for number in range(23)]


@pytest.mark.parametrize("limit", [1, 5, 22, 23])
def test_a_limited_evaluation_asks_for_the_first_queries(limit):
    made = placed(QUERIES)
    assert {made[place].id for place in mixed(len(made))[:limit]} == {q.id for q in QUERIES[:limit]}
    assert sorted(q.id for q in made) == sorted(q.id for q in QUERIES)


def test_vectors_have_length_one_and_missing_ones_are_nan():
    query = QUERIES[0]
    rows = vectors_of(
        [Answer(query, vector=np.array([3.0, 4.0], "f4")), None, Answer(query, unreadable="torn")]
    )
    assert rows[0] == pytest.approx([0.6, 0.8]) and rows.dtype == np.float64
    assert rows.shape == (3, 2) and np.isnan(rows[1:]).all()
    assert vectors_of([None]).shape == (1, 1) and vectors_of([]).shape == (0, 1)


def test_the_source_is_that_of_the_runs_task():
    made, source = Retrieval(), Rows()
    made.bind({}, {"captions": Task(source)})
    assert made.source is source and made.name == "retrieval"
    with pytest.raises(UserError, match=r"Retrieval: no task 'captions' in data.val \(there are: vqa\)"):
        Retrieval().bind({}, {"vqa": Task(source)})
    with pytest.raises(UserError, match=r"give it a task of data\.val or a source"):
        Retrieval("captions", source)
    own = Retrieval(source=source)
    own.bind({}, {})
    assert own.source is source and own.name == "retrieval"


def test_names_differ_from_those_of_captions_on_the_same_task():
    assert Retrieval("captions").name == Tagging().name.replace("tagging", "retrieval") == "retrieval"
    assert (Retrieval("coco").name, Tagging("coco").name) == ("coco_retrieval", "coco_tagging")
    assert (ZeroShot().name, ZeroShot("labels").name, ZeroShot("birds").name) == (
        "zero_shot",
        "zero_shot",
        "birds_zero_shot",
    )


def test_errors_are_named():
    with pytest.raises(UserError, match=r"^mine: too few$"), named_errors("mine"):
        raise UserError("too few")
