"""`ObjectiveRows` makes one batch of the rows that all objectives need from samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from frozenvl.model.batch import Batch
from frozenvl.objectives.objective import Objective
from frozenvl.prompt import Sample


class ObjectiveRows:
    """Turns samples into a batch. A row that several objectives need from a sample is included once.

    Args:
        process: function from prompts to a batch, such as a `Processor`.
        objectives: objectives by name.
    """

    def __init__(
        self, process: Callable[[Sequence[Sample]], Batch], objectives: Mapping[str, Objective]
    ) -> None:
        self.process = process
        self.rows = {name: objective.rows for name, objective in objectives.items()}

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        row_number: dict[tuple[int, Sample], int] = {}
        rows_of = {
            name: tuple(
                row_number.setdefault((place, row), len(row_number))
                for place, sample in enumerate(samples)
                for row in rows(sample)
            )
            for name, rows in self.rows.items()
        }
        batch = self.process([row for _, row in row_number])
        if len(rows_of) == 1 and tuple(range(len(row_number))) in rows_of.values():
            rows_of = {}  # the only objective has all rows, in the batch's order
        return replace(batch, rows_of=rows_of, made_of=tuple(sample.id for sample in samples))
