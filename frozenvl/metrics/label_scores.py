"""The score of each label for each image, from embeddings, from log-probabilities, or from both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from frozenvl.metrics.vectors import unit_vectors

By = Literal["embedding", "likelihood", "both"]
"""How labels are scored: by cosine similarity, by log-probability, or by the sum of both log-softmaxes."""
SCALE = 100.0
"""Factor of cosine similarities before the softmax, as in CLIP's zero-shot classification."""
Vectors = Sequence[np.ndarray | None]
"""Embeddings (dim,); None for one that is missing."""


def label_scores(
    by: By,
    labels: int,
    images: Vectors = (),
    texts: Sequence[Vectors] = (),
    values: Sequence[Sequence[Sequence[float]]] = (),
) -> np.ndarray:
    """Returns the score (images, labels) of each label for each image; nan if it is missing.

    Args:
        by: how labels are scored.
        labels: number of labels.
        images: embedding of each image. It is not used by likelihood, nor are `texts`.
        texts: embedding of each label's text, by template.
        values: log-probabilities (templates, labels) of each image; () for a template without an answer. They are not
            used by embedding.
    """
    parts = []
    if by != "likelihood":
        parts.append(_similarities(images, texts))
    if by != "embedding":
        parts.append(_likelihoods(values, labels))
    return parts[0] if len(parts) == 1 else _log_softmax(SCALE * parts[0]) + _log_softmax(parts[1])


def _similarities(images: Vectors, texts: Sequence[Vectors]) -> np.ndarray:
    """Returns cosine similarities. A label's vector is the mean of its templates' vectors, as in CLIP."""
    by_template = [unit_vectors(vectors) for vectors in texts]
    size = max(rows.shape[1] for rows in by_template)
    total = np.nansum([rows for rows in by_template if rows.shape[1] == size], axis=0)
    with np.errstate(invalid="ignore"):
        labels = total / np.linalg.norm(total, axis=1, keepdims=True)
        return unit_vectors(images) @ labels.T


def _likelihoods(values: Sequence[Sequence[Sequence[float]]], labels: int) -> np.ndarray:
    """Returns the mean of the templates' log-probabilities."""
    scores = np.full((len(values), labels), np.nan)
    for row, templates in zip(scores, values, strict=True):
        if known := [of_template for of_template in templates if of_template]:
            row[:] = np.mean(known, axis=0)
    return scores


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
