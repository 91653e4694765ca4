"""Tagging: average precision by its definition, ties, tags that are true of nothing, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frozenvl.metrics.metric import main_of
from frozenvl.metrics.tagging import average_precision, random_map, tagging_metrics, tagging_scores
from frozenvl.util.errors import UserError


def plain_average_precision(scores: list[float], truth: list[bool]) -> float:
    """The definition: sum over thresholds, from high to low, of the rise of recall times precision."""
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [true for score, true in zip(scores, truth, strict=True) if score >= threshold]
        precision, recall = sum(chosen) / len(chosen), sum(chosen) / sum(truth)
        area += (recall - recall_before) * precision
        recall_before = recall
    return area


ROWS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.3]), st.booleans()), min_size=1, max_size=9)


@settings(deadline=None, max_examples=150)
@given(ROWS)
def test_average_precision_is_that_of_the_plain_definition(rows):
    scores, truth = (list(column) for column in zip(*rows, strict=True))
    got = average_precision(np.array(scores), np.array(truth), np.ones((1, len(rows))))[0]
    assert got == pytest.approx(plain_average_precision(scores, truth)) if any(truth) else np.isnan(got)


@settings(deadline=None, max_examples=150)
@given(ROWS, st.data())
def test_resampled_average_precision_counts_a_true_image_once_at_its_own_place(rows, data):
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    scores, truth = (list(column) for column in zip(*rows, strict=True))
    got = average_precision(np.array(scores), np.array(truth), np.array([weights], dtype=float))[0]
    total = drawn = 0.0
    for place, (score, true, weight) in enumerate(zip(scores, truth, weights, strict=True)):
        others = [n for n in range(len(rows)) if n != place and scores[n] >= score]
        if true and weight:
            total += (
                weight
                * (1 + sum(weights[n] * truth[n] for n in others))
                / (1 + sum(weights[n] for n in others))
            )
            drawn += weight
    assert got == pytest.approx(total / drawn) if drawn else np.isnan(got)


def test_intervals_lie_around_the_score_near_chance():
    random = np.random.default_rng(0)
    truth, tags, ids = random.random((400, 10)) < 0.05, list("abcdefghij"), [str(n) for n in range(400)]
    result = tagging_scores(random.random((400, 10)), truth, tags, ids)
    low, high = result.intervals(samples=200)["mAP"]
    assert (
        low < result.scores["mAP"] < high and abs((low + high) / 2 - result.scores["mAP"]) < (high - low) / 5
    )


SCORES = np.array([[0.9, 0.1, 0.5, 0.0], [0.8, 0.7, 0.7, 0.0], [0.1, 0.2, 0.6, 0.0]])
TRUTH = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]])
TAGS = ("dog", "red", "run", "emu")


def test_scores_by_hand():
    result = tagging_scores(SCORES, TRUTH, TAGS, ["x", "y", "z"], k=2)
    scores = result.scores
    # dog: true at ranks 1 and 3; red and run: true at rank 1
    assert scores["tag/dog"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["tag/red"] == scores["tag/run"] == 1
    assert scores["mAP"] == pytest.approx((5 / 6 + 1 + 1) / 3)
    assert "tag/emu" not in scores
    assert result.notes == ["1 of 4 tags are true of no image; they are left out of mAP"]
    # first two tags: dog, run; dog alone, since red and run tie for the second place; run, red
    assert scores["precision_at_2"] == pytest.approx(100 * (1 / 2 + 0 + 0) / 3)
    assert scores["recall_at_2"] == pytest.approx(100 * (1 + 0 + 0) / 3)


def test_images_without_true_tags_are_left_out_of_recall():
    truth = TRUTH.copy()
    truth[2] = 0
    scores = tagging_scores(SCORES, truth, TAGS, list("xyz"), k=2).scores
    assert scores["recall_at_2"] == pytest.approx(100 * (1 + 0) / 2)
    assert scores["precision_at_2"] == pytest.approx(100 * (1 / 2 + 0 + 0) / 3)


def test_an_image_without_scores_is_last_and_has_no_tags():
    scores = SCORES.copy()
    scores[0] = np.nan
    found = tagging_scores(scores, TRUTH, TAGS, list("xyz"), k=2).scores
    assert found["tag/dog"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["recall_at_2"] == 0


def test_few_tags_have_no_first_k():
    assert tagging_scores(SCORES, TRUTH, TAGS, list("xyz"), k=4).scores.keys() == {
        "mAP", "tag/dog", "tag/red", "tag/run",
    }  # fmt: skip


def test_resampled_scores_are_those_of_repeated_images():
    random = np.random.default_rng(0)
    scores, truth = random.random((8, 6)).round(1), random.random((8, 6)) < 0.4
    tags, photographs = list("abcdef"), list("uuvvwwxx")
    result = tagging_scores(scores, truth, tags, photographs, k=2)
    assert result.units == list("uvwx")
    resampled = {name: values[0] for name, values in result.reweighted(np.array([[2.0, 0, 1, 3]])).items()}
    rows = [0, 1, 0, 1, 4, 5, 6, 7, 6, 7, 6, 7]
    again = tagging_scores(scores[rows], truth[rows], tags, [str(n) for n in range(12)], k=2).scores
    for name in ("precision_at_2", "recall_at_2"):
        assert resampled[name] == pytest.approx(again[name])
    drawn = {name for name, value in resampled.items() if not np.isnan(value)}
    assert drawn == again.keys()
    for name, (low, high) in result.intervals(samples=100).items():
        assert low <= high, name


def test_random_map_is_the_mean_over_random_scores():
    random = np.random.default_rng(0)
    truth = random.random((30, 5)) < np.array([0.03, 0.1, 0.3, 0.9, 0.0])
    tags, ids = list("abcde"), [str(n) for n in range(30)]
    drawn = [tagging_scores(random.random((30, 5)), truth, tags, ids).scores["mAP"] for _ in range(1000)]
    assert random_map(truth) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 1000**0.5)
    assert random_map(np.array([[True, False]])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": TAGS[:3]}, r"shape \(3, 4\).*3 images and 3 tags"),
        ({"truth": np.zeros((3, 4))}, "none of the tags is true of any image"),
        ({"k": 0}, "k starts at 1"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(UserError, match=message):
        tagging_scores(
            **{"scores": SCORES, "truth": TRUTH, "tags": TAGS, "photographs": list("xyz")} | options
        )


def test_metrics():
    assert main_of(tagging_metrics(5)).name == "mAP"
    names = {metric.name for metric in tagging_metrics(2)}
    assert names <= tagging_scores(SCORES, TRUTH, TAGS, list("xyz"), k=2).scores.keys()
