"""Embeddings in files and as matrices of unit length."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

import numpy as np


def encoded(vector: np.ndarray) -> str:
    """Encodes a vector (dim,) as fp32, little-endian, in base64."""
    return b64encode(vector.astype("<f4").tobytes()).decode()


def decoded(text: str) -> np.ndarray:
    """Decodes a vector (dim,) that `encoded` wrote."""
    return np.frombuffer(b64decode(text), "<f4")


def unit_vectors(vectors: Sequence[np.ndarray | None]) -> np.ndarray:
    """Returns vectors as rows (vectors, dim) in fp64, of length 1; a row of nan for each None."""
    size = next((len(vector) for vector in vectors if vector is not None), 1)
    rows = np.full((len(vectors), size), np.nan)
    for row, vector in zip(rows, vectors, strict=True):
        if vector is not None:
            row[:] = vector
    with np.errstate(invalid="ignore"):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
