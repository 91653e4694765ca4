"""Collation that copes with unreadable images and conversations that are too long: training replaces their samples,
evaluation leaves them out.

Either way the batch lists each of them with the reason (`Batch.unreadable`), so that they are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from frozenvl.data.stream import TrainingStream
from frozenvl.prompt import Sample
from frozenvl.util.errors import LongSample, RunError, UnreadableImage

if TYPE_CHECKING:
    from frozenvl.model.batch import Batch

ATTEMPTS = 10
"""Replacements tried for one sample before the run stops."""

Process: TypeAlias = "Callable[[Sequence[Sample]], Batch]"


class TrainingBatches:
    """Collation function of training: positions of a stream → batch, the same on every rank and worker.

    Args:
        stream: training samples by position.
        process: function from samples to a batch. It raises `UnreadableImage` with the image, or `LongSample`.
    """

    def __init__(self, stream: TrainingStream, process: Process) -> None:
        self.stream, self.process = stream, process

    def __call__(self, positions: Sequence[int]) -> Batch:
        """Makes the batch of the samples at `positions`, with one row for each.

        Raises:
            RunError: if a sample and all its replacements are unreadable.
        """
        attempts = [0] * len(positions)
        samples = [self.stream[position] for position in positions]
        unreadable: list[tuple[str, str]] = []
        while True:
            try:
                return listing(self.process(samples), unreadable)
            except (UnreadableImage, LongSample) as error:
                for row, sample in enumerate(samples):
                    if is_concerned(sample, error):
                        unreadable.append((sample.id, str(error)))
                        attempts[row] += 1
                        if attempts[row] > ATTEMPTS:
                            raise RunError(
                                f"{ATTEMPTS} samples in turn cannot be read; the last: {error}"
                            ) from None
                        samples[row] = self.stream.attempt(positions[row], attempts[row])


class TrainingSteps:
    """Collation function of one optimiser step: makes its micro-batches and gives each the step's counts.

    Args:
        batches: collation function of a micro-batch.
        count: function from batches to the denominator of each objective: name → count.
        whole: whether the first micro-batch lists the others, for objectives that prepare whole steps.
    """

    def __init__(
        self,
        batches: TrainingBatches,
        count: Callable[[Sequence[Batch]], Mapping[str, int]],
        whole: bool = False,
    ) -> None:
        self.batches, self.count, self.whole = batches, count, whole

    def __call__(self, micro_batches: Sequence[Sequence[int]]) -> list[Batch]:
        """Makes the micro-batches of a step, given the positions of each."""
        batches = [self.batches(positions) for positions in micro_batches]
        counts = self.count(batches)
        batches = [replace(batch, counts=counts) for batch in batches]
        if self.whole:
            batches[0] = replace(batches[0], rest=tuple(batches[1:]))
        return batches


def readable(samples: Sequence[Sample], process: Process) -> Batch:
    """Makes a batch of the samples whose images can all be read. The batch lists the others in `unreadable`."""
    remaining: list[Sample] = list(samples)
    unreadable: list[tuple[str, str]] = []
    while True:
        try:
            return listing(process(remaining), unreadable)
        except (UnreadableImage, LongSample) as error:
            concerned = [is_concerned(sample, error) for sample in remaining]
            unreadable += [
                (s.id, str(error)) for s, is_one in zip(remaining, concerned, strict=True) if is_one
            ]
            remaining = [s for s, is_one in zip(remaining, concerned, strict=True) if not is_one]


def is_concerned(sample: Sample, error: UnreadableImage | LongSample) -> bool:
    """Tells whether a sample has the unreadable image of an error, or is the one that is too long.

    Raises:
        UnreadableImage: if the error names no image.
    """
    if isinstance(error, LongSample):
        return sample.id == error.sample
    if error.image is None:
        raise error
    return sample.holds(error.image)


def listing(batch: Batch, unreadable: list[tuple[str, str]]) -> Batch:
    """Returns the batch with the (sample id, reason) pairs of unreadable samples set."""
    return replace(batch, unreadable=tuple(unreadable)) if unreadable else batch
