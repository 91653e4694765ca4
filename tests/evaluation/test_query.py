"""Queries and answers pass between a benchmark and a model unchanged."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from frozenvl.evaluation.query import Answer, Query


def test_a_query_of_no_more_than_a_prompt_has_fields_of_its_own():
    """What one benchmark writes into a query's labels is in no other."""
    one, other = Query("1", ("x",), "a"), Query("2", ("x",), "a")
    one.kind["answer_type"] = "yes/no"
    one.scores["yes"] = 1.0
    assert other.kind == {} and other.scores == {}
    assert (other.references, other.candidates, other.shared, other.image) == ((), (), 0, None)


def test_queries_are_compared_by_what_they_hold_and_cannot_be_changed():
    query = Query("1", ("x",), "a", ("yes",))
    assert query == replace(query) != replace(query, references=("no",))
    with pytest.raises(FrozenInstanceError):
        query.id = "2"


def test_answers_with_vectors_can_be_counted():
    """Arrays have no truth value, so answers are compared by identity."""
    query = Query("1", (), "a")
    one, other = (Answer(query, vector=np.ones(3, np.float32)) for _ in range(2))
    assert one != other and one in [other, one] and len({one, other, one}) == 2
