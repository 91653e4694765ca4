"""Sample order as a pure function of (seed, epoch, position), without state or a library's random generator.

A resumed run therefore needs only its step, and any number of ranks sees the same global batches.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TypeVar

import numpy as np

from frozenvl.util.seeds import seed_from

T = TypeVar("T")
Bits = TypeVar("Bits", int, np.ndarray)

ROUNDS = 6
"""Rounds of the Feistel network. Four already give a pseudo-random permutation (Luby and Rackoff, 1988)."""


class Permutation:
    """Pseudo-random permutation of 0 … n-1, computed point by point in constant memory.

    A Feistel network on the next even number of bits, with cycle walking until the result is below n.

    Args:
        n: number of elements.
        seed: any values; equal values give the same permutation.
    """

    def __init__(self, n: int, *seed: object) -> None:
        self.n = n
        self._half = max(1, ((n - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._half) - 1
        self._keys = [seed_from("permutation", *seed, r) for r in range(ROUNDS)]

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return map(self.__getitem__, range(self.n))

    def __getitem__(self, position: int) -> int:
        if not 0 <= position < self.n:
            raise IndexError(position)
        while True:
            left, right = position >> self._half, position & self._mask
            for key in self._keys:
                left, right = right, left ^ (_mix(right ^ key) & self._mask)
            position = left << self._half | right
            if position < self.n:
                return position

    def values(self) -> np.ndarray:
        """Returns the whole permutation (n,), computed at once."""
        found = np.arange(self.n, dtype=np.uint64)
        outside = np.arange(self.n)
        half, mask = np.uint64(self._half), np.uint64(self._mask)
        while len(outside):
            left, right = found[outside] >> half, found[outside] & mask
            for key in self._keys:
                left, right = right, left ^ (_mix(right ^ np.uint64(key)) & mask)
            found[outside] = left << half | right
            outside = outside[found[outside] >= self.n]
        return found.astype(np.int64)


def _mix(x: Bits) -> Bits:
    """Mixes 64 bits with the finaliser of splitmix64 (Steele et al. 2014)."""
    number = type(x) if isinstance(x, int) else np.uint64
    x = (x ^ (x >> number(30))) * number(0xBF58476D1CE4E5B9) & number(0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> number(27))) * number(0x94D049BB133111EB) & number(0xFFFFFFFFFFFFFFFF)
    return x ^ (x >> number(31))


class ShardShuffle:
    """Permutation of 0 … n-1 that keeps reading sequential: shuffles shards, then the pairs within windows of shards.

    Args:
        sizes: number of pairs in each shard.
        window: number of shards, consecutive after the shuffle, whose pairs are mixed.
        seed: seed of both shuffles.
    """

    def __init__(self, sizes: Sequence[int], window: int, *seed: object) -> None:
        self._seed = seed
        self._starts = [0, *accumulate(sizes)]
        shuffled = Permutation(len(sizes), *seed, "stretches")
        self._shards = [shuffled[index] for index in range(len(sizes))]
        self._offsets = [0, *accumulate(sizes[shard] for shard in self._shards)]
        """First position of each shuffled shard, before pairs are mixed within windows."""
        self._window = window
        self._bounds = [*self._offsets[:-1:window], self._offsets[-1]]
        self._mixed: tuple[int, Permutation] | None = None

    def window(self, position: int) -> int:
        """Returns the index of the window that a position is in."""
        return bisect_right(self._bounds, position) - 1

    def bounds(self, window: int) -> tuple[int, int]:
        """Returns the half-open range (start, stop) of positions of a window."""
        return self._bounds[window], self._bounds[window + 1]

    def shards(self, window: int) -> list[int]:
        """Returns the shards that a window mixes; an empty list after the last window."""
        return self._shards[window * self._window : (window + 1) * self._window]

    def __getitem__(self, position: int) -> int:
        window = self.window(position)
        first, end = self.bounds(window)
        if self._mixed is None or self._mixed[0] != window:
            self._mixed = window, Permutation(end - first, *self._seed, "window", window)
        unmixed = first + self._mixed[1][position - first]
        shuffled = bisect_right(self._offsets, unmixed) - 1
        return self._starts[self._shards[shuffled]] + unmixed - self._offsets[shuffled]


@dataclass(frozen=True)
class Groups:
    """Pairs that belong together, such as all texts of an image.

    Args:
        starts: first place of each group, in ascending order; a range if all groups have the same size.
        pairs: pair at each place; None if the places are the pairs. No group has pairs of several shards.
    """

    starts: Sequence[int]
    pairs: np.ndarray | None = None


class GroupShuffle(ShardShuffle):
    """Permutation of 0 … n-1 that keeps groups together: shuffles shards, then the groups within windows of shards.

    Args:
        groups: pairs that belong together.
        sizes: number of pairs in each shard.
        window: number of shards, consecutive after the shuffle, whose groups are mixed.
        seed: seed of both shuffles.
    """

    def __init__(self, groups: Groups, sizes: Sequence[int], window: int, *seed: object) -> None:
        super().__init__(sizes, window, *seed)
        self.groups = groups
        self._shuffled: tuple[int, np.ndarray, np.ndarray] | None = None
        """A window, the places where its shuffled groups end, and the first place of each in the data set."""

    def __getitem__(self, position: int) -> int:
        window = self.window(position)
        if self._shuffled is None or self._shuffled[0] != window:
            self._shuffled = window, *self._shuffle(window)
        _, ends, firsts = self._shuffled
        inside = position - self.bounds(window)[0]
        group = int(np.searchsorted(ends, inside, side="right"))
        place = int(firsts[group]) + inside - (int(ends[group - 1]) if group else 0)
        return place if self.groups.pairs is None else int(self.groups.pairs[place])

    def _shuffle(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        starts, firsts, lasts = self.groups.starts, [], []
        for shard in self.shards(window):
            begin, end = self._starts[shard], self._starts[shard + 1]
            own = np.asarray(starts[bisect_left(starts, begin) : bisect_left(starts, end)], dtype=np.int64)
            firsts.append(own)
            lasts.append(np.append(own[1:], end))
        first, last = np.concatenate(firsts), np.concatenate(lasts)
        order = Permutation(len(first), *self._seed, "window", window).values()
        return (last - first)[order].cumsum(), first[order]


class EpochStream:
    """Endless order of one data set: epoch after epoch, each shuffled anew.

    A `turn` below is an index into this endless order.

    Args:
        sizes: number of pairs in each shard.
        window: number of shards whose pairs are mixed.
        seed: seed of the order.
        groups: pairs that stand together in the order; by default none.
    """

    def __init__(
        self, sizes: Sequence[int], window: int, *seed: object, groups: Groups | None = None
    ) -> None:
        self.sizes, self.window, self.seed, self.groups = sizes, window, seed, groups
        self.length = sum(sizes)
        self._orders: dict[int, Permutation | ShardShuffle] = {}
        """Cached orders of the last epoch used and of its neighbours."""

    def epoch(self, number: int) -> Permutation | ShardShuffle:
        """Returns the order of one epoch."""
        if number not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if abs(key - number) == 1}
            self._orders[number] = self._order(number)
        return self._orders[number]

    def _order(self, number: int) -> Permutation | ShardShuffle:
        if self.groups is not None:
            return GroupShuffle(self.groups, self.sizes, self.window, *self.seed, number)
        if len(self.sizes) == 1:
            return Permutation(self.length, *self.seed, number)
        return ShardShuffle(self.sizes, self.window, *self.seed, number)

    def __getitem__(self, turn: int) -> int:
        epoch, position = divmod(turn, self.length)
        return self.epoch(epoch)[position]

    def replacement(self, turn: int, attempt: int) -> int:
        """Returns the pair that replaces an unreadable one at `turn`: from the same window, the same on every rank."""
        order, first, end = self._window(turn)
        offset = seed_from("replacement", *self.seed, turn, attempt) % (end - first)
        return order[first + offset]

    def others(self, turn: int, attempt: int = 0) -> Iterator[int]:
        """Yields all pairs in the window of `turn` (its own included), reshuffled for every turn and attempt."""
        order, first, end = self._window(turn)
        for offset in Permutation(end - first, "others", *self.seed, turn, attempt):
            yield order[first + offset]

    def _window(self, turn: int) -> tuple[Permutation | ShardShuffle, int, int]:
        """Returns the order of the epoch that `turn` is in, and the range (start, stop) of positions of its window."""
        epoch, position = divmod(turn, self.length)
        order = self.epoch(epoch)
        return order, *(
            (0, self.length) if isinstance(order, Permutation) else order.bounds(order.window(position))
        )

    def near(self, turn: int) -> tuple[tuple[int, int], list[int]]:
        """Returns the window of `turn` as (epoch, window), and the shards of it and of the next one, to prefetch."""
        epoch, position = divmod(turn, self.length)
        order = self.epoch(epoch)
        if isinstance(order, Permutation):
            return (0, 0), []
        window = order.window(position)
        next_shards = order.shards(window + 1)
        if not next_shards:
            next_epoch = self.epoch(epoch + 1)
            assert isinstance(next_epoch, ShardShuffle)
            next_shards = next_epoch.shards(0)
        return (epoch, window), [*order.shards(window), *next_shards]


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
    """

    def __init__(
        self,
        sizes: Sequence[int | Sequence[int]],
        weights: Sequence[int],
        seed: int,
        windows: Sequence[int] | None = None,
        groups: Sequence[Groups | None] | None = None,
    ) -> None:
        shards = [[size] if isinstance(size, int) else size for size in sizes]
        self.weights = list(weights)
        self.sets = [
            EpochStream(shard_sizes, window, seed, index, groups=together)
            for index, (shard_sizes, window, together) in enumerate(
                zip(shards, windows or [1] * len(shards), groups or [None] * len(shards), strict=True)
            )
        ]

    @cached_property
    def _pattern(self) -> list[tuple[int, int]]:
        """Pattern of `sum(weights)` positions: (index of the data set, turn of that data set within the pattern)."""
        slots = [((turn + 0.5) / w, i, turn) for i, w in enumerate(self.weights) for turn in range(w)]
        return [(i, turn) for _, i, turn in sorted(slots)]

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


def rank_slice(start: int, stop: int, rank: int, world_size: int) -> range:
    """Returns the consecutive positions of start … stop - 1 that a rank takes; ranks differ by one position at most."""
    size = stop - start
    return range(start + size * rank // world_size, start + size * (rank + 1) // world_size)


def evaluation_batches(items: Iterable[T], size: int) -> list[list[T]]:
    """Splits items into consecutive batches of `size`, whatever the number of ranks."""
    rows = list(items)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def mixed(examples: int) -> list[int]:
    """Returns a fixed shuffle of a source's example indices: the first few are a fair sample of all."""
    return list(Permutation(examples, "evaluation"))
