"""Rows packed into little memory."""

from __future__ import annotations

import pickle

import pytest

from frozenvl.data.sources.packed import Packed


def test_packed_rows_are_returned_unchanged():
    rows = [("a", 1, ("x", "ü\0")), (), {"k": None}]
    packed = pickle.loads(pickle.dumps(Packed(rows)))
    assert list(packed) == rows and packed[-1] == rows[-1] and packed[1:] == rows[1:] and len(packed) == 3
    with pytest.raises(IndexError):
        packed[3]
    assert len(Packed([])) == 0
