"""Decontamination: training examples whose photograph is also in validation (many data sets reuse COCO's images)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.prompt import Example


class Without(Source):
    """A source with some of its examples removed.

    Args:
        source: complete source.
        kept: indices of the examples to keep, ascending.
    """

    def __init__(self, source: Source, kept: Sequence[int]) -> None:
        self.source, self.kept, self.window = source, np.asarray(kept, int), source.window
        self.max_frames = source.max_frames
        targets = np.broadcast_to(source.targets_per_example, len(source))
        kept_targets = targets[self.kept]
        self.targets_per_example = kept_targets.tolist()
        shard = np.searchsorted(np.cumsum(source.shard_sizes), np.cumsum(targets) - targets, side="right")
        sizes = np.bincount(shard[self.kept], kept_targets, len(source.shard_sizes))
        self._shard_sizes = sizes.astype(int).tolist()

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Example:
        return self.source[int(self.kept[index])]

    def image_ids(self) -> Sequence[str] | None:
        ids = self.source.image_ids()
        return None if ids is None else [ids[index] for index in self.kept]

    def why_no_pairs(self) -> str:
        if not self.source.pairs:
            others = "" if len(self) else ", of photographs that validation does not ask about"
            return f"{self.source.why_no_pairs()}{others}"
        photographs = "its photographs that have texts" if len(self) else "its photographs"
        return (
            f"validation asks about all of {photographs}, so none is left to train on; change the splits, or set "
            "data.overlap to count"
        )

    @property
    def shard_sizes(self) -> Sequence[int]:
        return self._shard_sizes

    @property
    def notes(self) -> Counter[str]:  # type: ignore[override]
        return self.source.notes

    def prefetch(self, shards: Sequence[int]) -> None:
        self.source.prefetch(shards)


def without_overlap(
    train: Mapping[str, Task], val: Mapping[str, Task], exclude: bool
) -> tuple[dict[str, Task], dict[str, int]]:
    """Removes the training examples whose photograph is also in validation.

    Two photographs are the same if they have the same id and the id names its collection (`coco/285`).

    Args:
        train: training tasks by name.
        val: validation tasks by name.
        exclude: False to count these examples only, and return the tasks unchanged.

    Returns:
        The training tasks, and the number of such examples for each task that has any.
    """
    val_ids = {key for task in val.values() for key in task.source.image_ids() or () if "/" in key}
    tasks, counts = dict(train), {}
    for name, task in train.items():
        ids = (val_ids and task.source.image_ids()) or ()
        kept = [index for index, key in enumerate(ids) if key not in val_ids]
        if len(kept) < len(ids):
            counts[name] = len(ids) - len(kept)
            if exclude:
                tasks[name] = replace(task, source=Without(task.source, kept))
    return tasks, counts
