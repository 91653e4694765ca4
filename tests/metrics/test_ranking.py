"""Ranks of the first correct item, with ties, missing items and several correct ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frozenvl.metrics import ranking
from frozenvl.metrics.ranking import first_ranks, reranked, top_candidates, transposed
from frozenvl.util.errors import UserError


def plain_ranks(scores, own) -> list[int]:
    """The definition as loops: the best own item comes after every other item that is not below it."""
    ranks = []
    for row, items in zip(scores, own, strict=True):
        best = max((row[item] for item in items), default=None)
        others = [row[item] for item in range(len(row)) if item not in items]
        ranks.append(0 if best is None else 1 + sum(other >= best for other in others))
    return ranks


@st.composite
def problems(draw):
    """Draws similarities with many ties, and the own items of each query: none, one or several."""
    queries, items = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    scores = draw(
        st.lists(
            st.lists(st.sampled_from([0.0, 0.25, 0.5]), min_size=items, max_size=items),
            min_size=queries,
            max_size=queries,
        )
    )
    own = draw(st.lists(st.lists(st.integers(0, items - 1), max_size=4), min_size=queries, max_size=queries))
    return scores, own


@settings(deadline=None, max_examples=150)
@given(problems(), st.integers(1, 9))
def test_ranks_are_those_of_the_plain_definition_in_blocks_of_any_size(problem, most):
    scores, own = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "MAX_SCORES", most)
        assert first_ranks(np.array(scores), own).tolist() == plain_ranks(scores, own)


@settings(deadline=None, max_examples=100)
@given(problems())
def test_reranking_all_items_by_their_own_scores_changes_no_rank(problem):
    scores, own = problem
    matrix = np.array(scores)
    candidates = top_candidates(matrix, matrix.shape[1])
    again = np.take_along_axis(matrix, candidates, axis=1)
    assert (np.diff(again, axis=1) <= 0).all()
    assert reranked(candidates, again, own).tolist() == first_ranks(matrix, own).tolist()


def test_vectors_are_compared_by_inner_product():
    random = np.random.default_rng(0)
    queries, items = random.normal(size=(5, 8)), random.normal(size=(7, 8))
    own = [[0], [1, 2], [3], [6], []]
    expected = plain_ranks((queries @ items.T).tolist(), own)
    assert first_ranks((queries, items), own).tolist() == expected
    assert ranking.shape_of(transposed((queries, items))) == (7, 5)
    assert ranking.shape_of(transposed(queries @ items.T)) == (7, 5)


@pytest.mark.parametrize("dim", [64, 301, 512])
@pytest.mark.parametrize("size", [17, 103])
def test_equal_vectors_tie_wherever_they_stand(dim, size):
    """A matrix product in fp32 rounds equal columns differently, by their place in the matrix."""
    random = np.random.default_rng(0)
    queries = random.normal(size=(7, dim)).astype(np.float32)
    items = np.repeat(random.normal(size=(1, dim)).astype(np.float32), size, axis=0)
    for own in (0, size // 2, size - 1):
        assert first_ranks((queries, items), [[own]] * 7).tolist() == [size] * 7


def test_missing_items_are_last_and_in_nobodys_way():
    scores = np.array([[0.5, np.nan, 0.1], [np.nan, np.nan, np.nan], [0.9, np.nan, 0.1]])
    assert first_ranks(scores, [[2], [0], [1]]).tolist() == [2, 3, 3]
    vectors = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    assert first_ranks((vectors[::2], vectors), [[0], [1]]).tolist() == [1, 3]


def test_candidates_are_the_most_similar_items_first():
    scores = np.array([[0.1, 0.9, 0.5, 0.7], [0.4, 0.3, 0.2, 0.1]])
    assert top_candidates(scores, 2).tolist() == [[1, 3], [0, 1]]
    assert top_candidates(scores, 9).shape == (2, 4)


def test_reranking_orders_the_candidates_only():
    candidates = np.array([[4, 1], [0, 2], [3, 5], [1, 2]])
    scores = np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.1], [0.3, np.nan]])
    # found first; tied, so second; not among the candidates; the own item has no score
    assert reranked(candidates, scores, [[1], [2], [0], [2]]).tolist() == [1, 2, 3, 3]
    assert reranked(candidates[:1], scores[:1], [[]]).tolist() == [0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: first_ranks((np.zeros((2, 3)), np.zeros((2, 4))), [[0], [1]]),
            "vectors of 3 and of 4 numbers",
        ),
        (lambda: first_ranks((np.zeros(3), np.zeros(3)), [[0]]), r"shapes \(3,\) and \(3,\)"),
        (lambda: first_ranks(np.zeros(3), [[0]]), r"shape \(3,\); give a matrix"),
        (lambda: reranked(np.zeros((1, 2)), np.zeros((1, 3)), [[0]]), r"1 queries.*\(1, 2\).*\(1, 3\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
