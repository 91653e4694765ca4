"""Embeddings in files and as matrices."""

from __future__ import annotations

import numpy as np

from frozenvl.metrics.vectors import decoded, encoded, unit_vectors


def test_a_vector_is_read_as_it_was_written():
    vector = np.array([0.1, -2.5, 3e-9], dtype=np.float32)
    assert decoded(encoded(vector)).tolist() == vector.tolist()
    assert encoded(np.array([1.0])) == "AACAPw==", "fp32, little-endian"


def test_rows_have_length_1_and_missing_ones_are_nan():
    rows = unit_vectors([np.array([3.0, 4.0]), None])
    assert rows[0].tolist() == [0.6, 0.8] and np.isnan(rows[1]).all()
    assert unit_vectors([None]).shape == (1, 1) and unit_vectors([]).shape == (0, 1)
