"""Rows in an Arrow file."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from frozenvl.data.arrow import row_table
from frozenvl.data.arrow.row_table import Fields, RowTable, write_rows
from frozenvl.data.sources.captions import Captioned
from frozenvl.data.sources.questions import Question
from frozenvl.util.errors import UserError

ROWS = [
    tuple(Question("1", "a.jpg", "Is it ü?", ("yes", "", "no 😀"), "yes", {"answer_type": "ü", "b": "x"})),
    tuple(Question("", "", "", (), "", {}, "coco/7", {"a": 0.1 + 0.2, "b": 1.0}, ("x", "y"))),
    tuple(Question("2", "b\0.jpg", "What?\n", ("a",), "", {"answer_type": "ü", "b": "x"}, scores={})),
]


@pytest.fixture
def written(tmp_path):
    def write(rows, kind=Question, notes=()) -> RowTable:
        with (tmp_path / "t.arrow").open("wb") as file:
            write_rows(file, rows, Fields.of(kind), dict(notes))
        return RowTable(tmp_path / "t.arrow", Fields.of(kind))

    return write


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_rows_are_returned_unchanged(written, monkeypatch, batch):
    monkeypatch.setattr(row_table, "ROWS_PER_BATCH", batch)
    table = written(iter(ROWS), notes={"left out": 3})
    assert [*table] == ROWS and [table[n] for n in range(3)] == ROWS and table.notes == {"left out": 3}
    assert table[-1] == ROWS[-1] and table[1:] == ROWS[1:] and len(table) == 3
    assert [*table.column("photograph")] == ["", "coco/7", ""] and [*table.column("scores")][1] == ROWS[1][7]
    assert table.sizes("references").tolist() == [3, 0, 1] and table.sizes("answer").tolist() == [3, 0, 0]
    assert [*pickle.loads(pickle.dumps(table))] == ROWS
    with pytest.raises(IndexError):
        table[3]


def test_labels_are_no_shared_objects(written):
    table = written(ROWS)
    table[0][5]["answer_type"] = "changed"
    assert table[0] == ROWS[0] and [*table] == ROWS


def test_records_of_captions_are_kept(written):
    record = {"kind": {"a": "b"}, "texts": ["x", None, 1.5], "deep": {"é": [True]}}
    rows = [tuple(Captioned("1", "a.jpg", ("a dog",), {}, record)), tuple(Captioned("2", "b.jpg", ()))]
    table = written(rows, Captioned)
    assert [*table] == rows and table.sizes("captions").tolist() == [1, 0]


def test_a_table_may_have_no_rows(written):
    table = written([], Captioned, {"images left out": 2})
    assert [*table] == [] and len(table) == 0 and table.notes == {"images left out": 2}
    assert table.sizes("captions").dtype == np.int64


@pytest.mark.parametrize("name", ["a\ud800.jpg", 7])
def test_values_that_are_no_text_are_refused(name):
    with pytest.raises((ValueError, TypeError)):
        write_rows(io.BytesIO(), [Captioned("1", name, ())], Fields.of(Captioned), {})


def test_other_and_damaged_files_are_refused(written, tmp_path):
    written(ROWS)
    with pytest.raises(ValueError, match="other fields"):
        RowTable(tmp_path / "t.arrow", Fields.of(Captioned))
    (tmp_path / "t.arrow").write_bytes((tmp_path / "t.arrow").read_bytes()[:-30])
    with pytest.raises(ValueError):
        RowTable(tmp_path / "t.arrow", Fields.of(Question))


def test_a_worker_that_finds_its_table_gone_says_so(written):
    pickled = pickle.dumps(table := written(ROWS))
    Path(table._path).unlink()
    with pytest.raises(UserError, match=r"t\.arrow: is gone or damaged .*; start again"):
        pickle.loads(pickled)
