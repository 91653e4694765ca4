"""Permutations of 0 … n-1, computed point by point: of pairs, of shards and their pairs, of groups of pairs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np

from frozenvl.util.seeds import seed_from

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
        self._shards: list[int] = shuffled.values().tolist()
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
            inside = starts[bisect_left(starts, begin) : bisect_left(starts, end)]
            if isinstance(inside, range):  # which `asarray` would read number by number
                own = np.arange(inside.start, inside.stop, inside.step)
            else:
                own = np.asarray(inside, dtype=np.int64)
            firsts.append(own)
            lasts.append(np.append(own[1:], end)[: len(own)])  # a shard may have no pairs
        first, last = np.concatenate(firsts), np.concatenate(lasts)
        order = Permutation(len(first), *self._seed, "window", window).values()
        return (last - first)[order].cumsum(), first[order]
