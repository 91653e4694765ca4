"""Endless order of one data set: epoch after epoch, each shuffled anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frozenvl.data.shuffle import Groups, GroupShuffle, Permutation, ShardShuffle
from frozenvl.util.seeds import seed_from


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

    def lane(self, turn: int) -> None:
        """Returns None: all turns are in one order (`LaneStream` has several)."""

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
