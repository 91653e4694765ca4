"""Sample order as a pure function of (seed, epoch, position), without state or a library's random generator.

A resumed run therefore needs only its step, and any number of ranks sees the same global batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from frozenvl.data.epochs import EpochStream
from frozenvl.data.lanes import LaneStream, lane_slice, rank_slice
from frozenvl.data.shuffle import Groups, Permutation

T = TypeVar("T")


class Order:
    """Endless order of a mixture of data sets.

    Every `sum(weights)` positions hold `weights[i]` samples of data set i, evenly spread, in a pattern that
    repeats. Each data set goes through its own order and has its own epochs.

    Args:
        sizes: number of pairs in each data set, or in each of its shards.
        weights: samples of each data set among `sum(weights)` positions; whole numbers.
        seed: seed of the order.
        windows: for each data set, the number of shards whose pairs are mixed; 1 by default.
        groups: for each data set, the pairs that stand together; None by default.
        lanes: number of lanes of each data set that has several shards. With 1 they are not dealt to lanes.
    """

    def __init__(
        self,
        sizes: Sequence[int | Sequence[int]],
        weights: Sequence[int],
        seed: int,
        windows: Sequence[int] | None = None,
        groups: Sequence[Groups | None] | None = None,
        lanes: int = 1,
    ) -> None:
        shards = [[size] if isinstance(size, int) else size for size in sizes]
        self.weights, self.lanes = list(weights), lanes
        together = groups or [None] * len(shards)
        self.sets: list[EpochStream | LaneStream] = []
        for index, (own, window) in enumerate(zip(shards, windows or [1] * len(shards), strict=True)):
            if lanes > 1 and sum(map(bool, own)) > 1:
                self.sets.append(LaneStream(own, window, lanes, seed, index, groups=together[index]))
            else:
                self.sets.append(EpochStream(own, window, seed, index, groups=together[index]))

    @cached_property
    def _pattern(self) -> list[tuple[int, int]]:
        """Pattern of `sum(weights)` positions: (index of the data set, turn of that data set within the pattern)."""
        slots = [((turn + 0.5) / w, i, turn) for i, w in enumerate(self.weights) for turn in range(w)]
        return [(i, turn) for _, i, turn in sorted(slots)]

    @cached_property
    def _slots(self) -> np.ndarray:
        """The pattern as an array (2, sum(weights))."""
        return np.array(self._pattern).T

    def epoch_length(self) -> int:
        """Returns the length of an epoch: positions after which every data set was read completely at least once."""
        period = len(self._pattern)
        lengths = zip((stream.length for stream in self.sets), self.weights, strict=True)
        return max(-(-length * period // weight) for length, weight in lengths)

    def turn(self, position: int) -> tuple[int, int]:
        """Returns (index of the data set, turn in its own endless order) at a position."""
        repetition, slot = divmod(position, len(self._pattern))
        index, turn = self._pattern[slot]
        return index, repetition * self.weights[index] + turn

    def __getitem__(self, position: int) -> tuple[int, int]:
        """Returns (index of the data set, index of its pair) at a position."""
        index, turn = self.turn(position)
        return index, self.sets[index][turn]

    def split(self, positions: range, rank: int, world_size: int) -> list[int]:
        """Returns the positions of a batch that a rank takes: consecutive ones, or those of its lanes."""
        if self.lanes == 1:
            return list(rank_slice(positions.start, positions.stop, rank, world_size))
        places = np.arange(positions.start, positions.stop)
        return places[lane_slice(self._lanes_at(places), self.lanes, rank, world_size)].tolist()

    def _lanes_at(self, positions: np.ndarray) -> np.ndarray:
        """Returns the lane at each position; -1 if its data set has none."""
        repetitions, slots = np.divmod(positions, len(self._pattern))
        sets, turns = self._slots
        turns = repetitions * np.array(self.weights)[sets[slots]] + turns[slots]
        lanes = np.full(len(positions), -1)
        for index, stream in enumerate(self.sets):
            if isinstance(stream, LaneStream):
                here = sets[slots] == index
                lanes[here] = stream.spread[turns[here] % self.lanes]
        return lanes


def evaluation_batches(items: Iterable[T], size: int) -> list[list[T]]:
    """Splits items into consecutive batches of `size`, whatever the number of ranks."""
    rows = list(items)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def mixed(examples: int) -> list[int]:
    """Returns a fixed shuffle of a source's example indices: the first few are a fair sample of all."""
    return list(Permutation(examples, "evaluation"))
