"""Exact nearest neighbours: against a full sort, in chunks, with ties."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.retrieval.nearest import nearest
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("scores_per_chunk", [1, 7, 60, 1 << 20])
@pytest.mark.parametrize("top", [1, 5, 200, 500])
def test_it_equals_a_full_sort_however_the_vectors_are_cut(scores_per_chunk, top):
    random = np.random.default_rng(0)
    # Whole numbers: products are exact, and many scores are equal.
    queries, vectors = (random.integers(-3, 4, (n, 4)).astype(np.float32) for n in (3, 200))
    rows, scores = nearest(queries, vectors, top, scores_per_chunk)
    every = queries @ vectors.T
    expected = np.argsort(-every, axis=1, kind="stable")[:, :top]
    assert (rows == expected).all() and (scores == np.take_along_axis(every, expected, 1)).all()
    assert rows.dtype == np.int64 and scores.dtype == np.float32


def test_nothing_is_found_among_nothing():
    rows, scores = nearest(np.ones((2, 4), np.float32), np.ones((0, 4), np.float32), 3)
    assert rows.shape == scores.shape == (2, 0)
    rows, _ = nearest(np.ones((2, 4), np.float32), np.ones((5, 4), np.float32), 0)
    assert rows.shape == (2, 0)


def test_embeddings_of_different_sizes_are_refused():
    with pytest.raises(UserError, match="different sizes: 3 numbers in a query, 4 in the index; embed both"):
        nearest(np.ones((1, 3), np.float32), np.ones((5, 4), np.float32), 1)
