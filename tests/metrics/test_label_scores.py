"""Scores of labels by embedding, by likelihood and by both."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.metrics.label_scores import label_scores

IMAGES = [np.array([2.0, 0.0]), None]
TEXTS = [[np.array([1.0, 0.0]), np.array([0.0, 5.0])], [np.array([0.0, 1.0]), np.array([0.0, 1.0])]]
VALUES = [[(-1.0, -3.0), (-3.0, -5.0)], [(), (-2.0, -1.0)]]


def test_the_vectors_of_a_labels_templates_are_averaged():
    scores = label_scores("embedding", 2, IMAGES, TEXTS)
    assert scores[0] == pytest.approx([np.sqrt(0.5), 0]) and np.isnan(scores[1]).all()


def test_a_template_that_was_not_asked_is_left_out():
    assert label_scores("embedding", 2, IMAGES, [TEXTS[0], [None, None]])[0] == pytest.approx([1, 0])
    assert label_scores("likelihood", 2, values=VALUES).tolist() == [[-2, -4], [-2, -1]]
    assert np.isnan(label_scores("likelihood", 2, values=[[()]])).all()


def test_both_log_softmaxes_are_summed():
    scores = label_scores("both", 2, [np.array([1.0, 0.01])], [TEXTS[0]], VALUES[:1])
    cosines = np.array([1, 0.01]) / np.hypot(1, 0.01)
    expected = [100 * cosines - np.logaddexp(*(100 * cosines)), np.array([-2, -4]) - np.logaddexp(-2, -4)]
    assert scores[0] == pytest.approx(np.sum(expected, axis=0))
