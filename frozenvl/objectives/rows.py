"""`ObjectiveRows` makes one batch of the rows that all objectives need from samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from frozenvl.model.batch import Batch
from frozenvl.objectives.objective import Objective
from frozenvl.prompt import Sample

NONE = torch.empty(0)
"""Images of a batch of rows whose images another batch holds."""
NO_INDEX = torch.empty(0, dtype=torch.long)


class ObjectiveRows:
    """Turns samples into a batch. A row that several objectives need from a sample is included once.

    Objectives that are `separate` get a batch of their own rows inside it (`Batch.separate`), with the same images.

    Args:
        process: function from prompts to a batch, such as a `Processor`.
        objectives: objectives by name.
    """

    def __init__(
        self, process: Callable[[Sequence[Sample]], Batch], objectives: Mapping[str, Objective]
    ) -> None:
        self.process = process
        self.objectives = objectives
        self.separate = {name for name, objective in objectives.items() if objective.separate}

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        row_number: dict[tuple[str, int, Sample], int] = {}
        rows_of = {
            name: tuple(
                row_number.setdefault((name if name in self.separate else "", place, row), len(row_number))
                for place, rows in enumerate((made.common_rows(), *self._wanted(name, samples)), -1)
                for row in rows
            )
            # Rows that objectives share come first.
            for name, made in sorted(self.objectives.items(), key=lambda item: item[0] in self.separate)
        }
        batch = self.process([row for _, _, row in row_number])
        separate = {name: replace(selected(batch, rows_of.pop(name)), images=NONE) for name in self.separate}
        shared = sum(not name for name, _, _ in row_number)
        if separate:
            batch = selected(batch, range(shared))
        if len(rows_of) == 1 and tuple(range(shared)) in rows_of.values():
            rows_of = {}  # the only objective has all rows, in the batch's order
        ids = tuple(sample.id for sample in samples)
        return replace(batch, rows_of=rows_of, separate=separate, made_of=ids)

    def _wanted(self, name: str, samples: Sequence[Sample]) -> list[Sequence[Sample]]:
        """Returns the rows that an objective wants of each sample; () of one that other objectives train on."""
        return [
            self.objectives[name].rows(sample)
            if sample.objectives is None or name in sample.objectives
            else ()
            for sample in samples
        ]


def selected(batch: Batch, rows: Sequence[int]) -> Batch:
    """Returns rows of a batch, padded to the longest of them, with all images of the batch."""
    index = torch.tensor(rows, dtype=torch.long)
    return replace(batch.select(index, int(batch.lengths[index].max()) if len(rows) else 0), index=NO_INDEX)
