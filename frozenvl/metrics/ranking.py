"""Ranks in retrieval: the place of the first correct item of each query, with ties counted against the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from frozenvl.util.errors import UserError

MAX_SCORES = 1 << 22
"""Largest number of similarities in memory at a time."""

Similarity: TypeAlias = np.ndarray | tuple[np.ndarray, np.ndarray]
"""Similarities (queries, items), or the vectors of queries (Q, dim) and of items (G, dim), compared by inner product.

An entry that is not finite is missing, such as the vector of an unreadable image: it is ranked last."""


def shape_of(similarity: Similarity) -> tuple[int, int]:
    """Returns the number of queries and of items. Raises `UserError` if they are not comparable."""
    if not isinstance(similarity, tuple):
        if similarity.ndim != 2:
            raise UserError(f"similarities of shape {similarity.shape}; give a matrix (queries, items)")
        return similarity.shape[0], similarity.shape[1]
    queries, items = similarity
    if queries.ndim != 2 or items.ndim != 2:
        raise UserError(
            f"vectors of shapes {queries.shape} and {items.shape}; give a matrix (number, dim) of each"
        )
    if queries.shape[1] != items.shape[1]:
        raise UserError(
            f"vectors of {queries.shape[1]} and of {items.shape[1]} numbers cannot be compared; embed both sides "
            "with the same head"
        )
    return len(queries), len(items)


def transposed(similarity: Similarity) -> Similarity:
    """Returns the similarities with queries and items exchanged."""
    return similarity[::-1] if isinstance(similarity, tuple) else similarity.T  # type: ignore[return-value]


def blocks(similarity: Similarity) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields the similarities in blocks of rows: (rows, similarities (rows, items)). Missing ones are -inf.

    Inner products are summed in fp64 and rounded to fp32, so that equal vectors give equal similarities. A product in
    fp32 rounds a column by its place in the matrix, which would break ties at random.
    """
    queries, items = shape_of(similarity)
    step = max(1, MAX_SCORES // max(1, items))
    columns = similarity[1].astype(np.float64).T if isinstance(similarity, tuple) else None
    for start in range(0, queries, step):
        rows = slice(start, min(start + step, queries))
        if columns is None:
            scores = np.array(similarity[rows])  # type: ignore[call-overload]
        else:
            with np.errstate(invalid="ignore"):
                scores = (similarity[0][rows].astype(np.float64) @ columns).astype(np.float32)
        scores[~np.isfinite(scores)] = -np.inf
        yield rows, scores


def first_ranks(similarity: Similarity, own: Sequence[Sequence[int]]) -> np.ndarray:
    """Returns the rank (queries,) of the best own item of each query: 1 + the number of other items not below it.

    Ties count against the model. The query's further own items are not counted. A query without own items has rank 0.

    Args:
        similarity: similarities of queries and items.
        own: indices of the correct items of each query.

    Raises:
        UserError: if vectors have different sizes.
    """
    queries, _ = shape_of(similarity)
    ranks = np.zeros(queries, dtype=np.int64)
    for rows, scores in blocks(similarity):
        ranks[rows] = _ranks(scores, _mask(own[rows], scores.shape[1]))
    return ranks


def top_candidates(similarity: Similarity, k: int) -> np.ndarray:
    """Returns the indices (queries, k) of the k most similar items of each query, the most similar first."""
    queries, items = shape_of(similarity)
    k = min(k, items)
    chosen = np.zeros((queries, k), dtype=np.int64)
    for rows, scores in blocks(similarity):
        best = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        chosen[rows] = np.take_along_axis(best, order, axis=1)
    return chosen


def reranked(candidates: np.ndarray, scores: np.ndarray, own: Sequence[Sequence[int]]) -> np.ndarray:
    """Returns ranks (queries,) among k candidates by the scores of another scorer, with ties as in `first_ranks`.

    A query without an own item among its scored candidates has rank k + 1, which stands for any rank beyond k.

    Args:
        candidates: indices (queries, k) of the items that were scored.
        scores: score (queries, k) of each; nan if it has none.
        own: indices of the correct items of each query.

    Raises:
        UserError: if candidates and scores have different shapes.
    """
    if candidates.shape != scores.shape or len(candidates) != len(own):
        raise UserError(
            f"{len(own)} queries, candidates of shape {candidates.shape} and scores of shape {scores.shape}; give each "
            "query k candidates with a score each"
        )
    mask = np.array([np.isin(row, list(items)) for row, items in zip(candidates, own, strict=True)])
    scored = np.isfinite(scores)
    ranks = _ranks(np.where(scored, scores, -np.inf), mask & scored)
    beyond = candidates.shape[1] + 1
    return np.where(ranks > 0, ranks, np.where([len(items) > 0 for items in own], beyond, 0))


def _mask(own: Sequence[Sequence[int]], items: int) -> np.ndarray:
    mask = np.zeros((len(own), items), dtype=bool)
    for row, indices in zip(mask, own, strict=True):
        row[list(indices)] = True
    return mask


def _ranks(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    best = np.where(own, scores, -np.inf).max(axis=1, initial=-np.inf)
    ranks = 1 + ((scores >= best[:, None]) & ~own).sum(axis=1)
    return np.where(own.any(axis=1), ranks, 0)
