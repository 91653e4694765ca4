"""Endless order of one data set."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from frozenvl.data.epochs import EpochStream
from frozenvl.data.shuffle import Groups


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


GROUPS = {
    "equal": (Groups(range(0, 60, 5)), [60]),
    "unequal": (Groups([0, 3, 4, 10, 11, 18, 30, 31, 47]), [60]),
    "apart": (Groups([0, 20, 25, 40], np.array([*range(1, 60, 2), *range(0, 60, 2)])), [60]),
    "shards": (Groups([0, 3, 4, 10, 11, 18, 30, 31, 47]), [10, 8, 13, 29]),
    "shards, one empty": (Groups(range(0, 60, 5)), [10, 20, 0, 30]),
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
