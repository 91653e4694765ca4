"""Checks of attribution maps: by hand on linear models, against scipy, ties, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from frozenvl.metrics.attribution import (
    area_under,
    average_ranks,
    centre_map,
    completeness_gap,
    mean_scores,
    pointing_hit,
    random_map,
    rank_correlation,
    removal_counts,
    removal_order,
)
from frozenvl.util.errors import UserError


def curve(weights: np.ndarray, order: np.ndarray, counts: np.ndarray, insertion: bool = False) -> list[float]:
    """Returns f = Σ weights of the cells that are there, while cells of a picture of ones go (or come) in an order."""
    gone = [weights[order[:count]].sum() for count in counts]
    return gone if insertion else [weights.sum() - own for own in gone]


# Deletion and insertion


def test_areas_of_a_linear_model_are_those_computed_by_hand():
    weights = np.array([4.0, 3.0, 2.0, 1.0])
    counts = removal_counts(4, 4)
    assert counts.tolist() == [0, 1, 2, 3, 4]
    exact = removal_order(weights.reshape(2, 2), "a")
    assert exact.tolist() == [0, 1, 2, 3]
    # Deletion: 10, 6, 3, 1, 0; the trapezoids are 8, 4.5, 2, 0.5, each a quarter wide.
    assert area_under(curve(weights, exact, counts), counts) == pytest.approx(15 / 4)
    assert area_under(curve(weights, exact[::-1], counts), counts) == pytest.approx(25 / 4)
    # What goes comes: insertion is the sum minus deletion.
    assert area_under(curve(weights, exact, counts, insertion=True), counts) == pytest.approx(10 - 15 / 4)


def test_no_order_deletes_a_linear_model_faster_than_its_own_contributions():
    random = np.random.default_rng(0)
    weights, counts = random.normal(size=20), removal_counts(20, 20)
    best = area_under(curve(weights, removal_order(weights, "a"), counts), counts)
    others = [area_under(curve(weights, random.permutation(20), counts), counts) for _ in range(200)]
    assert best < min(others)
    assert np.mean(others) == pytest.approx(
        weights.sum() / 2, abs=0.3
    )  # what a random order reaches on average


def test_a_coarse_curve_weighs_its_points_by_the_cells_between_them():
    counts = removal_counts(49, 10)
    assert counts[0] == 0 and counts[-1] == 49 and len(counts) == 11
    line = [1 - count / 49 for count in counts]
    assert area_under(line, counts) == pytest.approx(0.5)  # although the steps are of 4, 5 and 6 cells
    assert removal_counts(4, 100).tolist() == [0, 1, 2, 3, 4]


def test_equal_values_go_in_an_order_of_the_key_and_not_from_the_top_left():
    flat = np.zeros((7, 7))
    orders = [removal_order(flat, f"query {n}") for n in range(50)]
    assert all(sorted(order.tolist()) == list(range(49)) for order in orders)
    assert (removal_order(flat, "query 0") == orders[0]).all()
    assert 15 < np.mean([order[0] for order in orders]) < 33  # 24 is the middle of the picture
    flat[3, 4] = 1
    assert removal_order(flat, "any")[0] == 3 * 7 + 4


def test_a_curve_without_a_second_point_is_refused():
    with pytest.raises(UserError, match="has no area"):
        area_under([1.0], [0])
    with pytest.raises(UserError, match="has no area"):
        area_under([1.0, 2.0], [0, 1, 2])


# Pointing


def test_the_maximum_has_to_be_in_a_box():
    values = np.zeros((4, 4))
    values[1, 2] = 1.0  # its centre is (0.625, 0.375)
    assert pointing_hit(values, [(0.5, 0.25, 0.75, 0.5)]) == 1
    assert pointing_hit(values, [(0.0, 0.25, 0.5, 0.5)]) == 0
    assert pointing_hit(values, [(0.25, 0.5, 0.5, 0.75)]) == 0  # x and y changed over
    assert pointing_hit(values, [(0.0, 0.0, 0.2, 0.2), (0.6, 0.3, 0.7, 0.4)]) == 1  # one of two equal objects


def test_several_maxima_count_by_their_share_in_the_box():
    values = np.array([[1.0, 1.0], [1.0, 0.0]])
    assert pointing_hit(values, [(0.0, 0.0, 0.5, 0.5)]) == pytest.approx(1 / 3)
    assert pointing_hit(np.ones((2, 2)), [(0.0, 0.0, 1.0, 0.5)]) == pytest.approx(1 / 2)
    overlapping = [(0.0, 0.0, 0.5, 0.5), (0.0, 0.0, 0.6, 0.6)]
    assert pointing_hit(values, overlapping) == pytest.approx(1 / 3)  # a cell in two boxes counts once


def test_an_object_without_a_box_cannot_be_pointed_at():
    with pytest.raises(UserError, match="without a box"):
        pointing_hit(np.ones((2, 2)), [])


def test_the_centre_map_is_highest_in_the_middle_and_symmetric():
    odd, even = centre_map(7, 7), centre_map(4, 6)
    assert odd.argmax() == 24 and (odd == odd.T).all() and (odd == odd[::-1]).all()
    assert pointing_hit(odd, [(0.45, 0.45, 0.55, 0.55)]) == 1
    assert even.shape == (4, 6) and (even == even.max()).sum() == 4
    wide = [(0.4, 0.0, 0.6, 1.0)]  # a column in the middle holds all four
    assert pointing_hit(even, wide) == 1 and pointing_hit(even, [(0.0, 0.0, 0.5, 0.5)]) == pytest.approx(
        1 / 4
    )


def test_random_maps_hit_a_box_as_often_as_its_share_of_the_picture():
    box = [(0.0, 0.0, 3 / 7, 1.0)]
    hits = [pointing_hit(random_map(7, 7, f"{n}"), box) for n in range(2000)]
    assert np.mean(hits) == pytest.approx(3 / 7, abs=0.035)
    assert (random_map(7, 7, "a") == random_map(7, 7, "a")).all()
    assert (random_map(7, 7, "a") != random_map(7, 7, "b")).any()


# Rank correlation


def test_rank_correlation_is_scipys_with_ties():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    for levels in (2, 5, 10**6):
        first, second = (random.integers(levels, size=(7, 7)).astype(float) for _ in range(2))
        expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
        assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)


def test_rank_correlation_by_hand():
    first = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert rank_correlation(first, np.exp(first)) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert average_ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [2.5, 1.0, 2.5, 4.0]
    # Ranks 1 2 3 4 against 1 2.5 2.5 4: covariance 4.5, norms √5 and √4.5.
    assert rank_correlation(first, np.array([[0.0, 7.0], [7.0, 8.0]])) == pytest.approx(
        4.5 / math.sqrt(5 * 4.5)
    )
    assert math.isnan(rank_correlation(first, np.zeros((2, 2))))


def test_maps_of_two_shapes_or_without_numbers_are_refused():
    with pytest.raises(UserError, match="no correlation"):
        rank_correlation(np.ones((2, 2)), np.ones((3, 3)))
    with pytest.raises(UserError, match="not finite"):
        removal_order(np.array([[np.nan, 1.0]]), "a")


# Completeness


def test_the_gap_is_relative_to_the_difference_that_is_explained():
    assert completeness_gap(total=2.9, value=4.0, baseline=1.0) == pytest.approx(0.1 / 3)
    assert completeness_gap(total=-3.0, value=1.0, baseline=4.0) == 0
    assert completeness_gap(total=3.0, value=1.0, baseline=4.0) == pytest.approx(2)  # the sign counts
    assert completeness_gap(0.0, 1.0, 1.0) == 0 and completeness_gap(0.1, 1.0, 1.0) == math.inf


# Means


def test_means_leave_out_queries_without_a_value_and_resample_images():
    images = {"a": "x", "b": "x", "c": "y", "d": "z"}
    scores = mean_scores(
        {"all": {"a": 1.0, "b": 2.0, "c": 6.0, "d": 3.0}, "some": {"a": math.nan, "c": 4.0, "d": 2.0}},
        images,
        "all",
    )
    assert scores.scores == {"all": 3.0, "some": 3.0}
    assert scores.units == ["x", "y", "z"]
    assert scores.sums["some"].tolist() == [[0, 0], [4, 1], [2, 1]]
    twice = scores.reweighted(np.array([[2.0, 1.0, 0.0]]))  # image x twice, with both its queries
    assert twice["all"].tolist() == [pytest.approx((2 * 3 + 6) / 5)] and twice["some"].tolist() == [4.0]
    low, high = scores.intervals()["all"]
    assert 1.5 <= low < 3 < high <= 6


def test_a_score_without_any_value_is_refused():
    with pytest.raises(UserError, match="rho: not one of 1 queries"):
        mean_scores({"rho": {"a": math.nan}}, {"a": "x"}, "rho")
