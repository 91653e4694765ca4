"""Lanes: the shards of a data set are dealt to a fixed number of lanes, so that each machine reads only its own.

The canonical nodes of MosaicML's StreamingDataset are the same idea. The number of lanes belongs to the order, the
number of machines does not: the order of samples stays a pure function of position, whatever divides a batch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from frozenvl.data.epochs import EpochStream
from frozenvl.data.shuffle import Groups


class LaneStream:
    """Endless order of one data set in shards, dealt to lanes: each lane has its own shuffled shards and windows.

    Of n pairs, lane l of L has the ⌈n/L⌉ consecutive ones from ⌊l·n/L⌋ on, in every epoch. So all lanes have equally
    many, and any L·i consecutive turns hold i of each lane. A shard at a border may be in two lanes; fewer than L pairs
    of an epoch come twice, or fewer than L groups if all groups have the same size.

    Turn t belongs to lane `spread(L)[t mod L]`, and is turn t // L of that lane.

    Args:
        sizes: number of pairs in each shard.
        window: number of shards of a lane whose pairs are mixed.
        lanes: number of lanes, at most the number of pairs.
        seed: seed of the order.
        groups: pairs that stand together in the order of a lane; by default none. Unless all have the same size, a
            group at a border of lanes may be cut.
    """

    def __init__(
        self, sizes: Sequence[int], window: int, lanes: int, *seed: object, groups: Groups | None = None
    ) -> None:
        self.sizes, self.window, self.lanes, self.seed, self.groups = sizes, window, lanes, seed, groups
        self._ends = list(accumulate(sizes))
        pairs = self._ends[-1]
        self._unit = 1
        """Number of pairs that are dealt to a lane together."""
        if groups is not None and isinstance(groups.starts, range):  # of equal size
            self._unit = groups.starts.step
        units = -(-pairs // self._unit)
        self._each = self._unit * -(-units // lanes)
        """Number of pairs in a lane."""
        self.length = self._each * lanes
        """Number of turns after which every lane was read once."""
        self._starts = [self._unit * (units * lane // lanes) for lane in range(lanes)]
        self.spread = spread(lanes)
        self._streams: dict[int, EpochStream] = {}

    def lane(self, turn: int) -> int:
        """Returns the lane that a turn belongs to."""
        return int(self.spread[turn % self.lanes])

    def lane_shards(self, lane: int) -> range:
        """Returns the shards of a lane."""
        first, last = self._starts[lane], self._starts[lane] + self._each - 1
        return range(bisect_right(self._ends, first), bisect_right(self._ends, last) + 1)

    def __getitem__(self, turn: int) -> int:
        stream, own, first = self._place(turn)
        return first + stream[own]

    def replacement(self, turn: int, attempt: int) -> int:
        """Returns the pair that replaces an unreadable one at `turn`: from the same window of its lane."""
        stream, own, first = self._place(turn)
        return first + stream.replacement(own, attempt)

    def others(self, turn: int, attempt: int = 0) -> Iterator[int]:
        """Yields all pairs in the window of `turn` in its lane, reshuffled for every turn and attempt."""
        stream, own, first = self._place(turn)
        return (first + pair for pair in stream.others(own, attempt))

    def near(self, turn: int) -> tuple[tuple[int, int], list[int]]:
        """Returns the window of `turn` in its lane as (epoch, window), and the shards to prefetch for the lane."""
        stream, own, _ = self._place(turn)
        window, near = stream.near(own)
        shards = self.lane_shards(self.lane(turn))
        return window, [shards[index] for index in near] or list(shards)

    def _place(self, turn: int) -> tuple[EpochStream, int, int]:
        """Returns the order of the turn's lane, the turn in it, and the first pair of the lane."""
        lane = self.lane(turn)
        if lane not in self._streams:
            self._streams[lane] = self._stream(lane)
        return self._streams[lane], turn // self.lanes, self._starts[lane]

    def _stream(self, lane: int) -> EpochStream:
        first, groups = self._starts[lane], None
        end = first + self._each
        sizes = [
            min(self._ends[shard], end) - max(self._ends[shard] - self.sizes[shard], first)
            for shard in self.lane_shards(lane)
        ]
        if self.groups is not None:
            starts, pairs = self.groups.starts, self.groups.pairs
            inside = starts[bisect_right(starts, first) : bisect_left(starts, end)]
            equal = range(0, self._each, self._unit) if isinstance(starts, range) else None
            own_pairs = None if pairs is None else pairs[first:end] - first
            groups = Groups(equal or [0, *(start - first for start in inside)], own_pairs)
        return EpochStream(sizes, self.window, *self.seed, "lane", lane, groups=groups)


def spread(lanes: int) -> np.ndarray:
    """Returns all lanes (lanes,) in an order whose neighbours belong to different machines.

    Each machine has consecutive lanes. Bits are reversed, so with powers of two any i consecutive entries hold ⌊i/N⌋ or
    ⌈i/N⌉ lanes of each of N machines: a batch stays even if a data set of a mixture gives its lanes unequally many.
    """
    bits = max(1, (lanes - 1).bit_length())
    return np.array(sorted(range(lanes), key=lambda lane: f"{lane:0{bits}b}"[::-1]))


def rank_slice(start: int, stop: int, rank: int, world_size: int) -> range:
    """Returns the consecutive positions of start … stop - 1 that a rank takes; ranks differ by one position at most."""
    size = stop - start
    return range(start + size * rank // world_size, start + size * (rank + 1) // world_size)


def lane_slice(lanes: np.ndarray, count: int, rank: int, world_size: int) -> np.ndarray:
    """Returns the rows of a batch that a rank takes: those of its lanes, lane by lane.

    Rows without a lane go to the ranks that have the fewest others. A rank that would have no row takes one of the
    rank that has the most.

    Args:
        lanes: lane of each row (rows,), at least as many as ranks; -1 if it has none.
        count: number of lanes. Of it and the number of ranks, one is a multiple of the other.
        rank: rank that takes rows.
        world_size: number of ranks. If there are more than lanes, consecutive ranks share a lane.
    """
    shares = min(count, world_size)
    ranks_each = world_size // shares
    owner = lanes * shares // count  # stays -1 without a lane
    free = np.flatnonzero(lanes < 0)
    counts = np.bincount(owner[lanes >= 0], minlength=shares)
    owner[free] = np.repeat(np.arange(shares), levelled(counts, len(free)))
    counts = np.bincount(owner, minlength=shares)
    while counts.min() < ranks_each:
        fewest, most = counts.argmin(), counts.argmax()
        owner[np.flatnonzero(owner == most)[-1]] = fewest
        counts[[fewest, most]] += 1, -1
    own = np.flatnonzero(owner == rank // ranks_each)
    own = own[lanes[own].argsort(kind="stable")]
    part = rank_slice(0, len(own), rank % ranks_each, ranks_each)
    return own[part.start : part.stop]


def levelled(counts: np.ndarray, extra: int) -> np.ndarray:
    """Returns how many of `extra` items each of some heaps gets, if the smallest heaps always get the next one.

    Args:
        counts: items in each heap before.
        extra: items to add.
    """
    heights = range(int(counts.max()) + extra + 1)
    level = bisect_left(heights, extra, key=lambda height: int(np.maximum(height - counts, 0).sum()))
    added = np.maximum(level - counts, 0)
    added[np.flatnonzero(added)[: int(added.sum()) - extra]] -= 1
    return added
