"""Exact nearest neighbours: the largest inner products of query vectors with a matrix of vectors."""

from __future__ import annotations

import numpy as np

from frozenvl.util.errors import UserError

SCORES_PER_CHUNK = 1 << 22
"""Number of scores that are held at once: 16 MB in fp32, whatever the number of vectors."""


def nearest(
    queries: np.ndarray, vectors: np.ndarray, top: int, scores_per_chunk: int = SCORES_PER_CHUNK
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the vectors with the largest inner product with each query. For unit vectors it is the cosine.

    The search is exact. Equal scores are ordered by row, so a repeated search gives the same rows.

    Args:
        queries: (q, dim), fp32.
        vectors: (n, dim), fp32; may be memory-mapped.
        top: number of rows for each query; all n if there are fewer.
        scores_per_chunk: number of scores that are held at once.

    Returns:
        Rows of `vectors` (q, min(top, n)), int64, the best first, and their scores, fp32.

    Raises:
        UserError: if queries and vectors differ in dimension.
    """
    check_dimensions(queries, vectors)
    best = [(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in queries]
    size = max(1, scores_per_chunk // max(1, len(queries)))
    for start in range(0, len(vectors) if top > 0 else 0, size):
        scores = queries @ vectors[start : start + size].T
        for place, row in enumerate(scores):
            chosen = _largest(row, top)
            rows, values = best[place]
            # Earlier rows stand first, so that a stable sort prefers them where scores are equal.
            rows, values = np.concatenate([rows, chosen + start]), np.concatenate([values, row[chosen]])
            order = np.argsort(-values, kind="stable")[:top]
            best[place] = rows[order], values[order]
    count = min(max(top, 0), len(vectors))
    rows_of = np.array([rows for rows, _ in best], np.int64).reshape(len(queries), count)
    return rows_of, np.array([values for _, values in best], np.float32).reshape(len(queries), count)


def check_dimensions(queries: np.ndarray, vectors: np.ndarray) -> None:
    """Checks that queries (q, dim) and vectors (n, dim) have one dimension.

    Raises:
        UserError: if they differ.
    """
    if queries.shape[1] != vectors.shape[1]:
        raise UserError(
            f"embeddings of different sizes: {queries.shape[1]} numbers in a query, {vectors.shape[1]} in the index; "
            "embed both with the same model and head"
        )


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Returns the positions of the `count` largest scores, in ascending order; of equal ones, the first."""
    if len(scores) <= count:
        return np.arange(len(scores))
    border = np.partition(scores, len(scores) - count)[len(scores) - count]
    above, equal = np.flatnonzero(scores > border), np.flatnonzero(scores == border)
    return np.sort(np.concatenate([above, equal[: count - len(above)]]))
