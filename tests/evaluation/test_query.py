"""Queries and answers as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from frozenvl.evaluation.query import Answer, Query


def test_default_fields_of_queries_are_not_shared():
    """Changing the labels of one query does not change another query."""
    one, other = Query("1", ("x",), "a"), Query("2", ("x",), "a")
    one.kind["answer_type"] = "yes/no"
    one.scores["yes"] = 1.0
    assert other.kind == {} and other.scores == {}
    assert (other.references, other.candidates, other.shared, other.image) == ((), (), 0, None)


def test_queries_are_compared_by_value_and_immutable():
    query = Query("1", ("x",), "a", ("yes",))
    assert query == replace(query) != replace(query, references=("no",))
    with pytest.raises(FrozenInstanceError):
        query.id = "2"


def test_answers_with_vectors_are_hashable():
    """Arrays have no truth value, so answers are compared by identity."""
    query = Query("1", (), "a")
    one, other = (Answer(query, vector=np.ones(3, np.float32)) for _ in range(2))
    assert one != other and one in [other, one] and len({one, other, one}) == 2
