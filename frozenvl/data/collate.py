"""Batches in spite of images that cannot be read: training replaces their samples, evaluation goes without them.

Either way each is listed in its batch with its reason, so that it is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from frozenvl.data.stream import TrainingStream
from frozenvl.prompt import Sample
from frozenvl.util.errors import RunError, UnreadableImage

if TYPE_CHECKING:
    from frozenvl.model.batch import Batch

ATTEMPTS = 10
"""Replacements of one sample that may be unreadable too."""

Process: TypeAlias = "Callable[[Sequence[Sample]], Batch]"


class TrainingBatches:
    """Positions of a stream to batches; the same on any rank and worker.

    Args:
        stream: the samples by position.
        process: makes a batch of samples; raises `UnreadableImage` with its image.
    """

    def __init__(self, stream: TrainingStream, process: Process) -> None:
        self.stream, self.process = stream, process

    def __call__(self, positions: Sequence[int]) -> Batch:
        """The batch of some positions, as long as they are many.

        Raises:
            RunError: where a sample and all its replacements cannot be read.
        """
        attempts = [0] * len(positions)
        samples = [self.stream[position] for position in positions]
        unreadable: list[tuple[str, str]] = []
        while True:
            try:
                return listing(self.process(samples), unreadable)
            except UnreadableImage as error:
                if error.image is None:
                    raise
                for row, sample in enumerate(samples):
                    if error.image in sample.images:
                        unreadable.append((sample.id, str(error)))
                        attempts[row] += 1
                        if attempts[row] > ATTEMPTS:
                            raise RunError(
                                f"{ATTEMPTS} samples in turn cannot be read; the last: {error}"
                            ) from None
                        samples[row] = self.stream.attempt(positions[row], attempts[row])


class TrainingSteps:
    """Positions of an optimiser step, micro-batch by micro-batch, to batches that know the counts of the whole step.

    Args:
        batches: makes each micro-batch.
        count: what batches add to the denominator of each objective, by its name.
    """

    def __init__(
        self, batches: TrainingBatches, count: Callable[[Sequence[Batch]], Mapping[str, int]]
    ) -> None:
        self.batches, self.count = batches, count

    def __call__(self, micro_batches: Sequence[Sequence[int]]) -> list[Batch]:
        made = [self.batches(positions) for positions in micro_batches]
        counts = self.count(made)
        return [replace(batch, counts=counts) for batch in made]


def readable(samples: Sequence[Sample], process: Process) -> Batch:
    """The batch of those samples whose images can all be read, the others listed in it."""
    left: list[Sample] = list(samples)
    unreadable: list[tuple[str, str]] = []
    while True:
        try:
            return listing(process(left), unreadable)
        except UnreadableImage as error:
            if error.image is None:
                raise
            unreadable += [(s.id, str(error)) for s in left if error.image in s.images]
            left = [s for s in left if error.image not in s.images]


def listing(batch: Batch, unreadable: list[tuple[str, str]]) -> Batch:
    """A batch with what is not in it."""
    return replace(batch, unreadable=tuple(unreadable)) if unreadable else batch
