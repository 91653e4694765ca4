"""Order of training data as a pure function of seed, epoch and position."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from frozenvl.data.order import Order, Permutation, mixed

TEN = [4, 8, 7, 9, 3, 6, 0, 5, 2, 1]
MIXED = [(1, 4), (0, 4), (1, 3), (1, 2), (0, 2), (1, 1), (1, 6), (0, 0), (1, 5), (1, 0), (0, 3), (1, 3)]


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
