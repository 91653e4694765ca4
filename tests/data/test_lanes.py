"""Lanes of shards, and batches divided by lanes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from frozenvl.data.lanes import LaneStream, lane_slice, levelled, rank_slice, spread
from frozenvl.data.order import Order
from frozenvl.data.shuffle import Groups

SHARDS = [31, 0, 40, 26, 38, 35, 29, 41, 33, 30, 36]
TOTAL = sum(SHARDS)
FIRST = [(0, 34), (1, 33), (0, 240), (0, 165), (1, 12), (0, 275), (0, 61), (1, 45), (0, 247)]
SHARD_OF = np.repeat(np.arange(len(SHARDS)), SHARDS)


def epoch_of(stream: LaneStream, number: int = 0) -> list[int]:
    return [stream[turn] for turn in range(number * stream.length, (number + 1) * stream.length)]


@pytest.mark.parametrize("lanes", [2, 3, 4, 7])
def test_an_epoch_reads_every_pair_and_fewer_than_lanes_twice(lanes):
    stream = LaneStream(SHARDS, 2, lanes, 0)
    epochs = [epoch_of(stream, number) for number in range(3)]
    for epoch in epochs:
        times = Counter(epoch)
        assert times.keys() == set(range(TOTAL)) and max(times.values()) <= 2
        assert 0 <= len(epoch) - TOTAL < lanes
    assert len(set(map(tuple, epochs))) == 3
    assert [stream[turn] for turn in reversed(range(stream.length))][::-1] == epochs[0]


@pytest.mark.parametrize("lanes", [2, 3, 4, 7])
def test_a_lane_has_the_same_shards_in_every_epoch_and_neighbours_share_at_most_one(lanes):
    stream = LaneStream(SHARDS, 2, lanes, 0)
    read = [[set() for _ in range(lanes)] for _ in range(2)]
    for turn in range(2 * stream.length):
        read[turn // stream.length][stream.lane(turn)].add(int(SHARD_OF[stream[turn]]))
    assert read[0] == read[1]
    for lane, shards in enumerate(read[0]):
        assert shards == {shard for shard in stream.lane_shards(lane) if SHARDS[shard]}
    for one, other in pairwise(read[0]):
        assert len(one & other) <= 1


@pytest.mark.parametrize("lanes", [2, 3, 4, 8])
def test_consecutive_turns_hold_every_lane_equally_often(lanes):
    stream = LaneStream([100] * 8, 2, lanes, 0)
    for start in (0, 5, 799, 800):
        counts = Counter(stream.lane(turn) for turn in range(start, start + 3 * lanes))
        assert counts == dict.fromkeys(range(lanes), 3)


def test_replacements_and_others_stay_in_the_window_of_their_lane():
    stream = LaneStream(SHARDS, 2, 3, 0)
    for turn in (0, 1, 2, 200, 2000):
        _, shards = stream.near(turn)
        window = {int(SHARD_OF[pair]) for pair in stream.others(turn)}
        assert window <= set(shards[:2]) and set(shards) <= set(stream.lane_shards(stream.lane(turn)))
        assert stream[turn] in set(stream.others(turn))
        drawn = [stream.replacement(turn, attempt) for attempt in range(1, 9)]
        assert {int(SHARD_OF[pair]) for pair in drawn} <= window and len(set(drawn)) > 4
        fresh = LaneStream(SHARDS, 2, 3, 0)
        assert [fresh.replacement(turn, attempt) for attempt in range(1, 9)] == drawn
        assert list(stream.others(turn)) != list(stream.others(turn, 1))


def test_the_next_window_of_a_lane_is_announced_also_across_epochs():
    stream = LaneStream([12] * 12, 2, 2, 0)  # windows of 24 pairs, three to an epoch of a lane
    for lane in range(2):
        turns = [turn for turn in range(4 * 48) if stream.lane(turn) == lane][::24]
        near = [stream.near(turn) for turn in turns]
        assert [window for window, _ in near][:4] == [(0, 0), (0, 1), (0, 2), (1, 0)]
        for (_, here), (_, following) in pairwise(near):
            assert here[2:] == following[:2]


def test_a_lane_of_one_shard_announces_it():
    stream = LaneStream([10] * 4, 2, 4, 0)
    assert [stream.near(turn)[1] for turn in range(4)] == [[stream.lane(turn)] for turn in range(4)]


GROUPS = {
    "equal": (Groups(range(0, 120, 5)), [25, 20, 0, 35, 40]),
    "unequal": (Groups([0, 3, 4, 20, 29, 45, 47, 52, 80, 100, 117]), [20, 32, 28, 40]),
    "apart": (Groups(range(0, 120, 5), np.arange(120).reshape(2, 5, 12).swapaxes(1, 2).ravel()), [60, 60]),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_groups_stand_together_in_a_lane(kind):
    groups, sizes = GROUPS[kind]
    stream = LaneStream(sizes, 1, 2, 0, groups=groups)
    places = range(120) if groups.pairs is None else groups.pairs.tolist()
    group_of = dict(zip(places, np.searchsorted(groups.starts, range(120), side="right"), strict=True))
    for number in range(2):
        epoch = epoch_of(stream, number)
        assert sorted(epoch) == list(range(120))
        runs = []
        for lane in range(2):
            own = [pair for turn, pair in enumerate(epoch) if stream.lane(turn) == lane]
            named = [group_of[pair] for pair in own]
            runs.append(
                [group for place, group in enumerate(named) if place == 0 or named[place - 1] != group]
            )
        assert all(len(run) == len(set(run)) for run in runs)
        cut = set(runs[0]) & set(runs[1])
        assert not cut if kind != "unequal" else len(cut) == 1


def test_batches_that_are_a_multiple_of_lanes_and_equal_groups_cut_no_group():
    stream = LaneStream([40] * 6, 2, 4, 0, groups=Groups(range(0, 240, 5)))
    for start in range(0, 3 * stream.length, 40):
        counts = Counter(stream[turn] // 5 for turn in range(start, start + 40))
        assert set(counts.values()) == {5}


@pytest.mark.parametrize("lanes", [1, 2, 4, 16, 64])
def test_neighbours_in_the_spread_belong_to_different_machines(lanes):
    order = spread(lanes)
    assert sorted(order) == list(range(lanes))
    for machines in (1, 2, 4, 16):
        for start in range(lanes):
            owners = np.roll(order, -start) * machines // lanes
            for length in (1, 2, 3, 5, 9):
                counts = np.bincount(owners[:length], minlength=min(machines, lanes))
                assert lanes < machines or counts.max() - counts.min() <= 1


def test_lanes_of_no_power_of_two_are_all_in_the_spread():
    for lanes in (3, 6, 12, 100):
        assert sorted(spread(lanes)) == list(range(lanes))


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_ranks_cover_a_global_batch_exactly(ranks):
    for start, stop in ((0, 64), (64, 128), (7, 18)):
        slices = [rank_slice(start, stop, rank, ranks) for rank in range(ranks)]
        assert [position for part in slices for position in part] == list(range(start, stop))
        assert max(map(len, slices)) - min(map(len, slices)) <= 1


ORDERS = {
    "alone": Order([SHARDS], [1], 0, [2], lanes=4),
    "with one without shards": Order([SHARDS, 50], [2, 1], 0, [2, 1], lanes=4),
    "two in shards": Order([SHARDS, SHARDS], [2, 1], 0, [2, 1], lanes=4),
}


@pytest.mark.parametrize("mixture", ORDERS)
@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_ranks_take_the_positions_of_their_lanes(mixture, ranks):
    order = ORDERS[mixture]
    lanes_of: list[set[int]] = [set() for _ in range(ranks)]
    for start in range(0, 40 * 24, 24):
        parts = [order.split(range(start, start + 24), rank, ranks) for rank in range(ranks)]
        assert sorted(position for part in parts for position in part) == list(range(start, start + 24))
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= (0 if mixture != "two in shards" else 2)
        for rank, part in enumerate(parts):
            lanes = [order.sets[index].lane(turn) for index, turn in map(order.turn, part)]
            lanes_of[rank] |= {lane for lane in lanes if lane is not None}
            known = [lane for lane in lanes if lane is not None]
            assert known == sorted(known)  # lane by lane, so that the texts of an image stand together
    shares = min(ranks, 4)
    wanted = [
        set(range(rank * shares // ranks * 4 // shares, (rank * shares // ranks + 1) * 4 // shares))
        for rank in range(ranks)
    ]
    assert lanes_of == wanted


def test_no_rank_is_left_without_a_row():
    """Two data sets in shards give two of four lanes a pair each: the others' ranks take from these."""
    lanes = np.array([0, 1, 0, 1, 0, 1])
    parts = [lane_slice(lanes, 4, rank, 4).tolist() for rank in range(4)]
    assert sorted(row for part in parts for row in part) == list(range(6)) and min(map(len, parts)) == 1
    assert {lanes[row] for row in parts[0]} == {0} and {lanes[row] for row in parts[1]} == {1}


def test_the_smallest_heaps_grow_first():
    for counts, extra in (([5, 1, 3], 4), ([0, 0, 0], 7), ([9, 0], 3), ([2], 0), ([4, 4, 1], 100)):
        heaps = list(counts)
        for _ in range(extra):
            heaps[heaps.index(min(heaps))] += 1
        added = levelled(np.array(counts), extra)
        assert added.sum() == extra and sorted(np.array(counts) + added) == sorted(heaps)


def test_with_one_lane_the_order_is_the_one_without():
    plain, one = (Order([SHARDS, 50], [2, 1], 0, [2, 1], **more) for more in ({}, {"lanes": 1}))
    assert [plain[p] for p in range(900)] == [one[p] for p in range(900)]
    assert one.split(range(10, 34), 1, 3) == list(range(18, 26))


def test_the_order_in_lanes_never_changes():
    """Resuming old runs depends on it."""
    order = Order([SHARDS, 50], [2, 1], 0, [2, 1], lanes=4)
    assert [order[p] for p in range(9)] == FIRST
