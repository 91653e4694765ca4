"""Rows that objectives request for samples, as one batch."""

from __future__ import annotations

import torch
from own_objective import Alignment

from frozenvl.model.batch import Batch
from frozenvl.objectives import Captioning
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.prompt import Sample


def empty_batch() -> Batch:
    empty = torch.empty(0)
    return Batch((), empty, empty, empty, empty, empty)


def test_rows_requested_by_two_objectives_are_in_the_batch_once():
    wanted = []
    rows = ObjectiveRows(
        lambda samples: wanted.extend(samples) or empty_batch(), {"a": Captioning(), "b": Alignment()}
    )
    samples = [Sample("1", ("x",), " y"), Sample("1", ("x",), " y")]
    batch = rows(samples)
    assert [sample.id for sample in wanted] == ["1", "1", "1/text", "1/text"]
    assert batch.rows_of == {"a": (0, 1), "b": (0, 2, 1, 3)} and batch.samples == ("1", "1")


def test_a_single_objective_on_unchanged_samples_has_no_row_indices():
    wanted = []
    rows = ObjectiveRows(lambda samples: wanted.append(list(samples)) or empty_batch(), {"a": Captioning()})
    samples = [Sample("1", ("x",), " y"), Sample("2", ("x",), " y")]
    assert rows(samples).rows_of == {} and wanted == [samples]


def test_a_single_objective_has_row_indices_if_it_reorders_rows():
    batch = ObjectiveRows(lambda samples: empty_batch(), {"b": Alignment()})(
        [Sample("1", (), "y"), Sample("2", (), "z")]
    )
    assert batch.rows_of == {}  # rows are in the order of the first request
    reordered = Alignment()
    reordered.rows = lambda sample: (Sample("shared", (), ""), sample)
    assert ObjectiveRows(lambda samples: empty_batch(), {"b": reordered, "a": Captioning()})(
        [Sample("1", (), "y")]
    ).rows_of == {"b": (0, 1), "a": (1,)}
