"""Photographs that stand in what is trained on and in what is asked: several data sets are made of COCO's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.prompt import Example


class Without(Source):
    """A source without some of its examples.

    Args:
        source: the whole one.
        kept: indices of the examples that stay, ascending.
    """

    def __init__(self, source: Source, kept: Sequence[int]) -> None:
        self.source, self.kept, self.window = source, np.asarray(kept, int), source.window
        whole = np.broadcast_to(source.targets_per_example, len(source))
        texts = whole[self.kept]
        self.targets_per_example = texts.tolist()
        shard = np.searchsorted(np.cumsum(source.shard_sizes), np.cumsum(whole) - whole, side="right")
        self._shard_sizes = np.bincount(shard[self.kept], texts, len(source.shard_sizes)).astype(int).tolist()

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Example:
        return self.source[int(self.kept[index])]

    @property
    def shard_sizes(self) -> Sequence[int]:
        return self._shard_sizes

    def prefetch(self, shards: Sequence[int]) -> None:
        self.source.prefetch(shards)


def without_overlap(
    train: Mapping[str, Task], val: Mapping[str, Task], exclude: bool
) -> tuple[dict[str, Task], dict[str, int]]:
    """The training tasks without the examples whose photograph is asked about in validation.

    Photographs are the same where their ids are and say of which collection they are (`coco/285`).

    Args:
        exclude: False only counts these examples, and leaves the tasks as they are.

    Returns:
        The tasks, and how many such examples each had.
    """
    asked = {key for task in val.values() for key in task.source.image_ids() or () if "/" in key}
    left, counts = dict(train), {}
    for name, task in train.items():
        ids = (asked and task.source.image_ids()) or ()
        kept = [index for index, key in enumerate(ids) if key not in asked]
        if len(kept) < len(ids):
            counts[name] = len(ids) - len(kept)
            if exclude:
                left[name] = replace(task, source=Without(task.source, kept))
    return left, counts
