"""Querybank normalisation: similarities are corrected for items that are near to everything ("hubs")."""

from __future__ import annotations

import numpy as np

SCALE = 20.0
"""Factor of cosine similarities before they are summed over the bank, as its inverse is the softmax's temperature."""


def querybank_normalised(
    vectors: tuple[np.ndarray, np.ndarray], bank: tuple[np.ndarray, np.ndarray], scale: float = SCALE
) -> tuple[np.ndarray, np.ndarray]:
    """Returns vectors whose inner products are similarities minus the hubness of both sides.

    The similarity s(q, g) of a query and an item becomes s(q, g) - log(Σ_b exp(scale · s(b, g))) / scale over the
    bank's queries b. It orders items as the inverted softmax does (Smith et al. 2017), which querybank normalisation
    computes over queries of the training data (Bogolin et al. 2022). What a query itself loses does not change its
    order of items, so one product serves both directions.

    Args:
        vectors: vectors (images, dim) and (captions, dim) of length 1; rows of nan stay nan.
        bank: vectors of the bank's images and of its captions; rows of nan are left out.
        scale: factor of similarities before the sum.

    Returns:
        (images, dim + 2) and (captions, dim + 2).
    """
    images, captions = vectors
    lost = [-hubness(side, other, scale)[:, None] for side, other in ((images, bank[1]), (captions, bank[0]))]
    one = [np.ones((len(side), 1)) for side in vectors]
    return np.hstack([images, lost[0], one[0]]), np.hstack([captions, one[1], lost[1]])


def hubness(items: np.ndarray, bank: np.ndarray, scale: float) -> np.ndarray:
    """Returns the soft maximum (items,) of each item's similarities to a bank; nan for a row of nan."""
    known = bank[np.isfinite(bank).all(axis=1)]
    scores = scale * (items @ known.T)
    most = scores.max(axis=1, keepdims=True)
    return (most[:, 0] + np.log(np.exp(scores - most).sum(axis=1))) / scale
