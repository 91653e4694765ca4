"""The rows that objectives want of samples, as one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from frozenvl.model.batch import Batch
from frozenvl.objectives.objective import Objective
from frozenvl.prompt import Sample


class ObjectiveRows:
    """Makes batches of samples. A row that several objectives want of a sample stands there once.

    Args:
        process: makes a batch of prompts, such as a `Processor`.
        objectives: by name.
    """

    def __init__(
        self, process: Callable[[Sequence[Sample]], Batch], objectives: Mapping[str, Objective]
    ) -> None:
        self.process = process
        self.rows = {name: objective.rows for name, objective in objectives.items()}

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        known: dict[tuple[int, Sample], int] = {}
        rows_of = {
            name: tuple(
                known.setdefault((place, row), len(known))
                for place, sample in enumerate(samples)
                for row in rows(sample)
            )
            for name, rows in self.rows.items()
        }
        batch = self.process([row for _, row in known])
        if len(rows_of) == 1 and tuple(range(len(known))) in rows_of.values():
            rows_of = {}  # all rows are the objective's, as they stand
        return replace(batch, rows_of=rows_of, made_of=tuple(sample.id for sample in samples))
