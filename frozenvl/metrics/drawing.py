"""Scores of drawn pictures: how often the true image is among the first k that are nearest to the drawn one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frozenvl.metrics.metric import Metric
from frozenvl.metrics.pictures import MeanScores, mean_scores
from frozenvl.metrics.ranking import first_ranks

DEPTHS = (1, 5, 10)
"""Numbers of images among which the true one is looked for."""
METRICS = tuple(Metric(f"R@{k}", "%", main=k == DEPTHS[-1]) for k in DEPTHS)


def drawing_scores(drawn: np.ndarray, true: np.ndarray, photographs: Sequence[str]) -> MeanScores:
    """Returns the share of pictures, in percent, whose true image is among the first 1, 5 and 10 by cosine.

    Equal similarities count against the picture.

    Args:
        drawn: features (pictures, dim) of the drawn pictures, of length 1.
        true: features (pictures, dim) of the true images, of length 1.
        photographs: id of each true image, which intervals resample.
    """
    ranks = first_ranks((drawn, true), [[row] for row in range(len(drawn))])
    notes = [f"each true image is looked for among {len(true)}"]
    return mean_scores({f"R@{k}": 100.0 * (ranks <= k) for k in DEPTHS}, photographs, notes)
