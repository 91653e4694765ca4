"""Permutations of pairs, and of shards and their pairs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from frozenvl.data.shuffle import Permutation, ShardShuffle


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


@pytest.mark.parametrize("n", [1, 2, 5, 1000, 65537])
def test_a_permutation_at_once_is_the_same_as_point_by_point(n):
    permutation = Permutation(n, "at once", 2**40)
    assert permutation.values().tolist() == list(permutation)


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
