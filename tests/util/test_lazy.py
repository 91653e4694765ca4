"""Sequences that compute their items at access."""

from __future__ import annotations

import pytest

from frozenvl.util.lazy import LazySequence


def test_an_item_is_computed_at_access():
    made = []
    squares = LazySequence(4, lambda index: made.append(index) or index**2)
    assert len(squares) == 4 and not made
    assert (squares[2], squares[-1], made) == (4, 9, [2, 3])
    assert squares[1:3] == [1, 4] and list(squares) == [0, 1, 4, 9]
    with pytest.raises(IndexError):
        squares[4]
