"""Order of training data as a pure function of seed, epoch and position."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from frozenvl.data.order import EpochStream, Groups, Order, Permutation, ShardShuffle, mixed, rank_slice

TEN = [4, 8, 7, 9, 3, 6, 0, 5, 2, 1]
MIXED = [(1, 4), (0, 4), (1, 3), (1, 2), (0, 2), (1, 1), (1, 6), (0, 0), (1, 5), (1, 0), (0, 3), (1, 3)]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 16, 17, 1000, 65537])
def test_a_permutation_is_a_bijection(n):
    assert sorted(Permutation(n, "seed")) == list(range(n))


def test_a_permutation_depends_only_on_seed_and_epoch():
    first = list(Permutation(1000, 0, 0))
    backwards = Permutation(1000, 0, 0)
    assert [backwards[i] for i in reversed(range(1000))][::-1] == first
    for other in ((0, 1), (1, 0)):
        assert sum(a == b for a, b in zip(first, Permutation(1000, *other), strict=True)) < 20


def test_neighbours_in_a_permutation_are_far_apart():
    drawn = list(Permutation(1000, "mixes"))
    steps = [abs(a - b) for a, b in pairwise(drawn)]
    assert sum(steps) / len(steps) == pytest.approx(1000 / 3, rel=0.1)


def test_a_position_outside_a_permutation_is_an_error():
    for position in (-1, 5):
        with pytest.raises(IndexError):
            Permutation(5, 0)[position]


def test_the_order_never_changes():
    """Resuming old runs and drawing old demonstrations again depend on this order."""
    assert list(Permutation(10, 7, 0)) == TEN
    assert [Order([5, 7], [1, 2], seed=3)[p] for p in range(12)] == MIXED


def test_an_epoch_holds_every_pair_once():
    order = Order([12], [1], seed=0)
    assert order.epoch_length() == 12
    epochs = [[order[epoch * 12 + p][1] for p in range(12)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3


def test_a_mixture_keeps_its_weights_and_the_epochs_of_each_set():
    sizes, weights = [10, 7, 30], [1, 3, 4]
    order = Order(sizes, weights, seed=0)
    drawn = [order[p] for p in range(8 * 60)]
    for start in range(0, len(drawn), 8):
        assert Counter(which for which, _ in drawn[start : start + 8]) == {0: 1, 1: 3, 2: 4}
    for which, size in enumerate(sizes):
        mine = [index for source, index in drawn if source == which]
        for start in range(0, len(mine) - size + 1, size):
            assert sorted(mine[start : start + size]) == list(range(size))


def test_a_mixture_is_spread_evenly():
    drawn = [Order([100, 100], [1, 3], seed=0)[p][0] for p in range(400)]
    places = [p for p, which in enumerate(drawn) if which == 0]
    assert {b - a for a, b in pairwise(places)} == {4}


def test_an_epoch_of_a_mixture_contains_every_set_completely():
    order = Order([5, 40], [1, 2], seed=0)
    drawn = {order[p] for p in range(order.epoch_length())}
    assert drawn == {(0, i) for i in range(5)} | {(1, i) for i in range(40)}
    assert (1, order[order.epoch_length() - 1][1]) not in {order[p] for p in range(order.epoch_length() - 1)}


def test_positions_can_be_read_in_any_order():
    order = Order([5, 7], [1, 2], seed=3)
    there = [order[p] for p in range(100)]
    assert [order[p] for p in reversed(range(100))][::-1] == there


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_ranks_cover_a_global_batch_exactly(ranks):
    for start, stop in ((0, 64), (64, 128), (7, 18)):
        slices = [rank_slice(start, stop, rank, ranks) for rank in range(ranks)]
        assert [position for part in slices for position in part] == list(range(start, stop))
        assert max(map(len, slices)) - min(map(len, slices)) <= 1


SHARDS = [5, 0, 9, 1, 7, 7, 3, 12]


def shard_of(index: int) -> int:
    return next(i for i in range(len(SHARDS)) if index < sum(SHARDS[: i + 1]))


@pytest.mark.parametrize("window", [1, 2, 3, 8, 20])
def test_an_order_that_keeps_shards_together_holds_every_item_once(window):
    assert sorted(ShardShuffle(SHARDS, window, 0)[p] for p in range(44)) == list(range(44))


@pytest.mark.parametrize("window", [1, 3])
def test_windows_of_shuffled_shards_are_read_in_turn(window):
    order = ShardShuffle(SHARDS, window, 0)
    met = list(dict.fromkeys(order.window(position) for position in range(44)))
    assert met == sorted(met)
    for number in met:
        first, end = order.bounds(number)
        inside = {shard_of(order[position]) for position in range(first, end)}
        assert inside == {s for s in order.shards(number) if SHARDS[s]}
        assert len(order.shards(number)) <= window
    named = [s for number in range(-(-len(SHARDS) // window)) for s in order.shards(number)]
    assert sorted(named) == list(range(len(SHARDS))) != named


def test_windows_are_mixed_and_epochs_have_different_orders():
    order = EpochStream([100] * 10, 2, 0)
    epochs = [[order[epoch * 1000 + p] for p in range(1000)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(1000)) for epoch in epochs)
    assert len({tuple(index // 100 for index in epoch[::200]) for epoch in epochs}) == 3
    steps = [abs(a - b) for a, b in pairwise(epochs[0][:200])]
    assert len({index // 100 for index in epochs[0][:200]}) == 2 and sum(steps) / len(steps) > 30
    assert [order[p] for p in (2999, 17, 1500, 0)] == [
        epochs[2][999], epochs[0][17], epochs[1][500], epochs[0][0],
    ]  # fmt: skip


def test_a_replacement_comes_from_the_same_window_and_is_deterministic():
    for order in (EpochStream([100] * 10, 2, 0), EpochStream([1000], 1, 0)):
        for turn in (0, 517, 2999):
            drawn = [order.replacement(turn, attempt) for attempt in range(1, 9)]
            assert len(set(drawn)) > 6
            fresh = EpochStream(order.sizes, order.window, 0)
            assert [fresh.replacement(turn, attempt) for attempt in range(1, 9)] == drawn
            _, shards = order.near(turn)
            assert not shards or {index // 100 for index in drawn} <= set(shards[:2])


@pytest.mark.parametrize("order", [EpochStream([100] * 10, 2, 0), EpochStream([1000], 1, 0)])
def test_others_are_all_items_of_the_window_in_an_order_per_turn(order):
    known = set()
    for turn in (0, 399, 400, 1399):
        others = list(order.others(turn))
        size = 200 if len(order.sizes) > 1 else 1000
        start = turn // size * size
        assert sorted(others) == sorted(order[place] for place in range(start, start + size))
        assert list(EpochStream(order.sizes, order.window, 0).others(turn)) == others
        assert list(order.others(turn, 1)) != others
        known.add(tuple(others))
    assert len(known) == 4


def test_shards_to_prefetch_are_those_of_this_window_and_the_next():
    order = EpochStream([10] * 6, 2, 0)
    windows = [order.near(turn) for turn in range(0, 120, 20)]
    assert [name for name, _ in windows] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    for (_, here), (_, following) in pairwise(windows):
        assert here[2:] == following[:2]


def test_a_mixture_with_shards_can_be_read_at_any_position():
    order = Order([[50] * 4, 70], [1, 2], seed=0, windows=[2, 1])
    there = [order[p] for p in range(900)]
    assert [Order([[50] * 4, 70], [1, 2], 0, [2, 1])[p] for p in (899, 3, 450)] == [
        there[p] for p in (899, 3, 450)
    ]
    mine = [index for which, index in there if which == 0]
    assert sorted(mine[:200]) == list(range(200)) and len({index // 50 for index in mine[:100]}) == 2


def test_evaluation_has_one_mixed_order():
    assert sorted(mixed(100)) == list(range(100)) != mixed(100)
    assert mixed(100) == mixed(100)


@pytest.mark.parametrize("n", [1, 2, 5, 1000, 65537])
def test_a_permutation_at_once_is_the_same_as_point_by_point(n):
    permutation = Permutation(n, "at once", 2**40)
    assert permutation.values().tolist() == list(permutation)


GROUPS = {
    "equal": (Groups(range(0, 60, 5)), [60]),
    "unequal": (Groups([0, 3, 4, 10, 11, 18, 30, 31, 47]), [60]),
    "apart": (Groups([0, 20, 25, 40], np.array([*range(1, 60, 2), *range(0, 60, 2)])), [60]),
    "shards": (Groups([0, 3, 4, 10, 11, 18, 30, 31, 47]), [10, 8, 13, 29]),
}


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("window", [1, 2, 9])
def test_groups_stay_together_and_every_item_comes_once(kind, window):
    groups, sizes = GROUPS[kind]
    stream = EpochStream(sizes, window, "seed", groups=groups)
    epochs = [[stream[turn] for turn in range(start, start + 60)] for start in (0, 60)]
    places = range(60) if groups.pairs is None else groups.pairs.tolist()
    members = [tuple(places[start:end]) for start, end in pairwise([*groups.starts, 60])]
    for epoch in epochs:
        assert sorted(epoch) == list(range(60))
        found = []
        while epoch:
            (group,) = (group for group in members if group[0] == epoch[0])
            assert tuple(epoch[: len(group)]) == group
            epoch = epoch[len(group) :]
            found.append(group)
        assert found != members or len(members) < 3
    assert [stream[turn] for turn in reversed(range(120))][::-1] == [stream[turn] for turn in range(120)]


def test_groups_of_shards_are_read_window_by_window():
    groups, sizes = GROUPS["shards"]
    stream, plain = (EpochStream(sizes, 2, "seed", groups=given) for given in (groups, None))
    for start in (0, 60):
        epoch = plain.epoch(start // 60)
        for first, end in pairwise(sorted({*epoch._bounds})):
            assert {stream[start + turn] for turn in range(first, end)} == {
                plain[start + turn] for turn in range(first, end)
            }
            assert stream.near(start + first) == plain.near(start + first)


def test_batches_that_are_a_multiple_of_equal_groups_never_cut_one():
    stream = EpochStream([60], 1, 0, groups=Groups(range(0, 60, 5)))
    for start in range(0, 300, 25):
        assert len({stream[turn] // 5 for turn in range(start, start + 25)}) == 5
