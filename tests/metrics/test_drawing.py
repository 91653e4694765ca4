"""Recall of the true image by the drawn picture."""

import numpy as np
import pytest

from frozenvl.metrics.drawing import METRICS, drawing_scores


def test_recall_by_hand():
    """Picture i is drawn as image i of 12 on a circle; pictures 0 and 1 are exchanged."""
    angles = np.arange(12) * 2 * np.pi / 12
    true = np.stack([np.cos(angles), np.sin(angles)], 1)
    drawn = true.copy()
    drawn[[0, 1]] = true[[1, 0]]
    scores = drawing_scores(drawn, true, [str(row) for row in range(12)]).scores
    # The neighbour of an image is its second to third: equal similarities count against the picture.
    assert scores == pytest.approx({"R@1": 100 * 10 / 12, "R@5": 100, "R@10": 100})
    same = np.repeat(true[:1], 12, 0)
    assert drawing_scores(same, true, list("abcdefghijkl")).scores["R@1"] == pytest.approx(100 / 12)
    assert [metric.name for metric in METRICS if metric.main] == ["R@10"]
