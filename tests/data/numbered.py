"""Source of numbered images, some of which cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from frozenvl.data.sources.source import Source
from frozenvl.model.batch import Batch
from frozenvl.prompt import Example, Image, Sample
from frozenvl.util.errors import UnreadableImage


class Numbered(Image):
    """Image that is readable or broken."""

    digest = ""

    def __init__(self, number: int, broken: bool) -> None:
        self.name, self.digest, self.broken = f"{number}.jpg", str(number), broken

    def read(self, side=None):
        raise AssertionError("batches are made by `process` here")


class Numbers(Source):
    """Source of `size` images; those at the indices `broken` cannot be read."""

    def __init__(self, size: int, broken: Sequence[int]) -> None:
        self.images = [Numbered(number, number in broken) for number in range(size)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        return Example(str(index), self.images[index], str(index), ("text",))


def process(samples: Sequence[Sample]) -> Batch:
    for sample in samples:
        for image in sample.images:
            if image.broken:
                raise UnreadableImage(f"{image.name}: broken", image)
    empty = torch.empty(0)
    return Batch(tuple(sample.id for sample in samples), empty, empty, empty, empty, empty)
