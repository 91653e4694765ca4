"""Rows packed into little memory."""

from __future__ import annotations

import pickle

import pytest

from frozenvl.data.sources.packed import Packed, PackedTable


def test_packed_rows_are_returned_unchanged():
    rows = [("a", 1, ("x", "ü\0")), (), {"k": None}]
    packed = pickle.loads(pickle.dumps(Packed(rows)))
    assert list(packed) == rows and packed[-1] == rows[-1] and packed[1:] == rows[1:] and len(packed) == 3
    with pytest.raises(IndexError):
        packed[3]
    assert len(Packed([])) == 0


def test_the_fields_of_a_packed_table_have_names():
    table = pickle.loads(pickle.dumps(PackedTable([("a", ("x", "y")), ("", ())], ("id", "texts"))))
    assert [*table.column("id")] == ["a", ""] and table.sizes("texts").tolist() == [2, 0]
    assert PackedTable([], ("id",)).sizes("id").shape == (0,)
