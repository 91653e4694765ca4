"""Intervals and the paired bootstrap."""

import numpy as np
import pytest

from frozenvl.metrics.accuracy import accuracy_scores
from frozenvl.metrics.bootstrap import paired_bootstrap
from frozenvl.util.errors import UserError


def scores(values, images=None):
    return accuracy_scores({str(i): float(v) for i, v in enumerate(values)}, images=images)


def test_interval_of_a_mean_has_the_textbook_width():
    values = np.random.default_rng(0).normal(50, 10, size=400)
    low, high = scores(values).intervals(samples=4000)["overall"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.15)
    assert high == pytest.approx(values.mean() + half, abs=0.15)


def test_intervals_depend_only_on_the_seed():
    some = scores([0, 100, 100, 0, 100])
    assert some.intervals(seed=1) == some.intervals(seed=1)
    assert some.intervals(seed=1, samples=99) != some.intervals(seed=2, samples=99)


def test_questions_of_an_image_are_resampled_together():
    # Ten images with ten equal questions each are ten observations, not a hundred.
    values = np.repeat([0, 100] * 5, 10)
    apart = scores(values).intervals()["overall"]
    together = scores(values, {str(i): str(i // 10) for i in range(100)}).intervals()["overall"]
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_paired_difference():
    random = np.random.default_rng(1)
    first = random.integers(0, 101, 200)
    better = paired_bootstrap(scores(first), scores(first + 5))["overall"]
    assert (better.difference, better.low, better.high) == pytest.approx((5, 5, 5))
    assert better.p == pytest.approx(2 / 1001)
    same = paired_bootstrap(scores(first), scores(random.permutation(first)))["overall"]
    assert same.low < 0 < same.high and same.p > 0.05


def test_queries_are_paired_by_id():
    first = accuracy_scores({"a": 0.0, "b": 100.0, "c": 50.0})
    second = accuracy_scores({"c": 50.0, "a": 0.0, "b": 100.0})
    found = paired_bootstrap(first, second)["overall"]
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("options", [{"confidence": 0}, {"confidence": 95}, {"samples": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(UserError):
        scores([1, 2]).intervals(**options)


def test_scores_of_different_queries_cannot_be_paired():
    with pytest.raises(UserError, match="one of the two"):
        paired_bootstrap(scores([1, 2]), scores([1, 2, 3]))
