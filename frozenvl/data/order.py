"""Which sample stands where: a pure function of (seed, epoch, position). No state, no memory, no library's generator.

So a resumed run needs its step alone, and any number of ranks sees the same global batches.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")

ROUNDS = 6
"""Rounds of the Feistel network; four already make a pseudo-random permutation (Luby and Rackoff, 1988)."""


def seed_from(*parts: object) -> int:
    """A 63-bit seed addressed by what it is for: equal parts, equal seed, on every machine."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class Permutation:
    """A permutation of 0 … n-1 that is computed point by point: a Feistel network over the next even number of
    bits, walked until it lands below n.
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


def _mix(x: int) -> int:
    """The finaliser of splitmix64 (Steele et al. 2014): 64 bits in, 64 well-mixed bits out."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return x ^ (x >> 31)


class ShardShuffle:
    """A permutation of 0 … n-1 that keeps shards together, so that reading stays sequential: the shards are
    shuffled, and then what they hold, inside windows of a few of them.

    Args:
        sizes: pairs in each shard.
        window: how many of them are mixed.
        seed: of both shuffles.
    """

    def __init__(self, sizes: Sequence[int], window: int, *seed: object) -> None:
        self._seed = seed
        self._starts = [0, *accumulate(sizes)]
        shuffled = Permutation(len(sizes), *seed, "stretches")
        self._shards = [shuffled[place] for place in range(len(sizes))]
        self._places = [0, *accumulate(sizes[shard] for shard in self._shards)]
        """Where each shuffled shard begins, before windows are mixed."""
        self._window = window
        self._bounds = [*self._places[:-1:window], self._places[-1]]
        self._mixed: tuple[int, Permutation] | None = None

    def window(self, position: int) -> int:
        """The window that a position stands in."""
        return bisect_right(self._bounds, position) - 1

    def bounds(self, window: int) -> tuple[int, int]:
        """The first position of a window, and the first after it."""
        return self._bounds[window], self._bounds[window + 1]

    def shards(self, window: int) -> list[int]:
        """The shards that a window mixes; an empty list beyond the last window."""
        return self._shards[window * self._window : (window + 1) * self._window]

    def __getitem__(self, position: int) -> int:
        window = self.window(position)
        first, end = self.bounds(window)
        if self._mixed is None or self._mixed[0] != window:
            self._mixed = window, Permutation(end - first, *self._seed, "window", window)
        place = first + self._mixed[1][position - first]
        shuffled = bisect_right(self._places, place) - 1
        return self._starts[self._shards[shuffled]] + place - self._places[shuffled]


class EpochStream:
    """A data set's own endless order: epoch after epoch, each in an order of its own.

    Args:
        sizes: pairs in each of its shards.
        window: how many shards are mixed.
        seed: of the order.
    """

    def __init__(self, sizes: Sequence[int], window: int, *seed: object) -> None:
        self.sizes, self.window, self.seed = sizes, window, seed
        self.length = sum(sizes)
        self._known: dict[int, Permutation | ShardShuffle] = {}

    def epoch(self, number: int) -> Permutation | ShardShuffle:
        """The order of one epoch."""
        if number not in self._known:
            self._known = {key: order for key, order in self._known.items() if abs(key - number) == 1}
            self._known[number] = (
                Permutation(self.length, *self.seed, number)
                if len(self.sizes) == 1
                else ShardShuffle(self.sizes, self.window, *self.seed, number)
            )
        return self._known[number]

    def __getitem__(self, turn: int) -> int:
        epoch, place = divmod(turn, self.length)
        return self.epoch(epoch)[place]

    def replacement(self, turn: int, attempt: int) -> int:
        """What stands in for the pair at `turn` where that cannot be read: one near to it, the same on any rank."""
        order, first, end = self._window(turn)
        drawn = seed_from("replacement", *self.seed, turn, attempt) % (end - first)
        return order[first + drawn]

    def others(self, turn: int, attempt: int = 0) -> Iterator[int]:
        """The pairs near to the one at `turn`, itself among them, each once, mixed anew for every turn and attempt."""
        order, first, end = self._window(turn)
        for place in Permutation(end - first, "others", *self.seed, turn, attempt):
            yield order[first + place]

    def _window(self, turn: int) -> tuple[Permutation | ShardShuffle, int, int]:
        """The order of a turn's epoch, and the first place near to it and the one after the last."""
        epoch, place = divmod(turn, self.length)
        order = self.epoch(epoch)
        return order, *(
            (0, self.length) if isinstance(order, Permutation) else order.bounds(order.window(place))
        )

    def near(self, turn: int) -> tuple[tuple[int, int], list[int]]:
        """A window's name, and the shards of it and of the one after it: what is worth having at hand."""
        epoch, place = divmod(turn, self.length)
        order = self.epoch(epoch)
        if isinstance(order, Permutation):
            return (0, 0), []
        window = order.window(place)
        coming = order.shards(window + 1)
        if not coming:
            following = self.epoch(epoch + 1)
            assert isinstance(following, ShardShuffle)
            coming = following.shards(0)
        return (epoch, window), [*order.shards(window), *coming]


class Order:
    """The endless order of a mixture of data sets.

    Every `sum(weights)` positions hold `weights[i]` samples of data set i, evenly spread, in the same pattern
    for ever; each data set goes through its own order, epoch after epoch of its own.

    Args:
        sizes: pairs in each data set; of its shards where some are read together.
        weights: how many of each among `sum(weights)` positions; whole numbers.
        seed: of the order.
        windows: how many shards of each data set are mixed.
    """

    def __init__(
        self,
        sizes: Sequence[int | Sequence[int]],
        weights: Sequence[int],
        seed: int,
        windows: Sequence[int] | None = None,
    ) -> None:
        shards = [[size] if isinstance(size, int) else size for size in sizes]
        self.weights = list(weights)
        self.sets = [
            EpochStream(each, window, seed, which)
            for which, (each, window) in enumerate(zip(shards, windows or [1] * len(shards), strict=True))
        ]

    @cached_property
    def _pattern(self) -> list[tuple[int, int]]:
        """For each place of the pattern: which data set, and which of its places that is."""
        places = [((turn + 0.5) / w, i, turn) for i, w in enumerate(self.weights) for turn in range(w)]
        return [(i, turn) for _, i, turn in sorted(places)]

    def epoch_length(self) -> int:
        """Positions after which every data set was seen at least once, whole: what is called an epoch."""
        period = len(self._pattern)
        lengths = zip((each.length for each in self.sets), self.weights, strict=True)
        return max(-(-length * period // weight) for length, weight in lengths)

    def turn(self, position: int) -> tuple[int, int]:
        """(data set, which of its own turns that is) at a position."""
        block, place = divmod(position, len(self._pattern))
        which, turn = self._pattern[place]
        return which, block * self.weights[which] + turn

    def __getitem__(self, position: int) -> tuple[int, int]:
        """(data set, index of its pair) at a position."""
        which, turn = self.turn(position)
        return which, self.sets[which][turn]


def rank_slice(start: int, stop: int, rank: int, world_size: int) -> range:
    """The positions of start … stop that a rank takes: consecutive, and even to within one."""
    size = stop - start
    return range(start + size * rank // world_size, start + size * (rank + 1) // world_size)


def evaluation_batches(items: Iterable[T], size: int) -> list[list[T]]:
    """Batches fixed by position, whatever the number of ranks."""
    rows = list(items)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def mixed(examples: int) -> list[int]:
    """A fixed mixed order of a source's examples, so that the first few are a fair sample of all."""
    return list(Permutation(examples, "evaluation"))
