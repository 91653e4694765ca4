"""Which sample stands where: a pure function of (seed, epoch, position). No state, no memory, no library's generator.

So a resumed run needs its step alone, and any number of ranks sees the same global batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

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


class Order:
    """The endless order of a mixture of data sets.

    Every `sum(weights)` positions hold `weights[i]` samples of data set i, evenly spread, in the same pattern
    for ever; each data set goes through its own permutation, a new one each epoch of its own.

    Args:
        sizes: pairs in each data set.
        weights: how many of each among `sum(weights)` positions; whole numbers.
        seed: of the permutations.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[int], seed: int) -> None:
        self.sizes, self.weights, self.seed = list(sizes), list(weights), seed
        self._permutations: dict[int, tuple[int, Permutation]] = {}

    @cached_property
    def _pattern(self) -> list[tuple[int, int]]:
        """For each place of the pattern: which data set, and which of its places that is."""
        places = [((turn + 0.5) / w, i, turn) for i, w in enumerate(self.weights) for turn in range(w)]
        return [(i, turn) for _, i, turn in sorted(places)]

    def epoch_length(self) -> int:
        """Positions after which every data set was seen at least once, whole: what is called an epoch."""
        period = len(self._pattern)
        return max(-(-size * period // weight) for size, weight in zip(self.sizes, self.weights, strict=True))

    def __getitem__(self, position: int) -> tuple[int, int]:
        """(data set, index of its pair) at a position."""
        block, place = divmod(position, len(self._pattern))
        which, turn = self._pattern[place]
        epoch, index = divmod(block * self.weights[which] + turn, self.sizes[which])
        known = self._permutations.get(which)
        if known is None or known[0] != epoch:
            known = (epoch, Permutation(self.sizes[which], self.seed, which, epoch))
            self._permutations[which] = known
        return which, known[1][index]


def rank_slice(start: int, stop: int, rank: int, world_size: int) -> range:
    """The positions of start … stop that a rank takes: consecutive, and even to within one."""
    size = stop - start
    return range(start + size * rank // world_size, start + size * (rank + 1) // world_size)
