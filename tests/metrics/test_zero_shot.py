"""Zero-shot classification: accuracy, recall by class, ties, intervals."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.metrics.metric import main_of, metric_of
from frozenvl.metrics.zero_shot import METRICS, classification_scores
from frozenvl.util.errors import UserError

LABELS = ("cat", "dog", "fox", "owl", "pig", "rat")
TRUTH = {"1": "cat", "2": "cat", "3": "cat", "4": "dog", "5": "fox"}
SCORES = np.array(
    [
        [0.9, 0.1, 0.1, 0.1, 0.1, 0.1],  # right
        [0.9, 0.9, 0.1, 0.1, 0.1, 0.1],  # a tie for the first place: wrong, but among five
        [0.1, 0.9, 0.8, 0.7, 0.6, 0.5],  # last
        [0.1, 0.9, 0.8, 0.7, 0.6, 0.5],  # right
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],  # all tie: not even among five
    ]
)


def test_scores_by_hand():
    result = classification_scores(SCORES, LABELS, TRUTH)
    assert result.scores == pytest.approx(
        {
            "acc1": 40,
            "acc5": 60,
            "mean_per_class_recall": (100 / 3 + 100 + 0) / 3,
            "class/cat": 100 / 3,
            "class/dog": 100,
            "class/fox": 0,
        }
    )
    assert result.per_query == {"1": 100, "2": 0, "3": 0, "4": 100, "5": 0}


def test_an_image_without_scores_is_wrong():
    scores = np.vstack([SCORES[:1], np.full((1, 6), np.nan)])
    found = classification_scores(scores, LABELS, {"1": "cat", "2": "dog"}).scores
    assert (found["acc1"], found["acc5"], found["class/dog"]) == (50, 50, 0)


def test_five_labels_have_no_accuracy_at_five():
    assert "acc5" not in classification_scores(SCORES[:, :5], LABELS[:5], TRUTH).scores


def test_resampled_scores_are_those_of_repeated_images():
    photographs = {"1": "a", "2": "a", "3": "b", "4": "b", "5": "c"}
    result = classification_scores(SCORES, LABELS, TRUTH, photographs)
    assert result.units == ["a", "b", "c"]
    resampled = {name: values[0] for name, values in result.reweighted(np.array([[2, 1, 0]])).items()}
    rows = [0, 0, 1, 1, 2, 3]
    truth = {str(n): TRUTH[str(row + 1)] for n, row in enumerate(rows)}
    again = classification_scores(SCORES[rows], LABELS, truth).scores
    assert np.isnan(resampled.pop("class/fox"))  # none is drawn, and it is left out of the mean
    assert resampled == pytest.approx(again)
    assert result.intervals(samples=50).keys() == result.scores.keys()


def test_metrics():
    assert main_of(METRICS).name == "acc1"
    assert metric_of("class/dog", METRICS).unit == "%" and not metric_of("class/dog", METRICS).shown


def test_bad_input():
    with pytest.raises(UserError, match=r"shape \(5, 6\) for 5 images and 2 labels"):
        classification_scores(SCORES, LABELS[:2], TRUTH)
    with pytest.raises(UserError, match="1 images have a label that is not among the labels: 'emu'"):
        classification_scores(SCORES, LABELS, TRUTH | {"5": "emu"})
