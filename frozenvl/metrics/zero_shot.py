"""Zero-shot classification: accuracy at 1 and 5, recall of each class and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frozenvl.metrics.accuracy import AccuracyScores, accuracy_scores
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.ranking import first_ranks
from frozenvl.util.errors import UserError

METRICS = (
    Metric("acc1", "%", main=True),
    Metric("acc5", "%"),
    Metric("mean_per_class_recall", "%"),
)
"""Descriptions of these scores. `acc5` is given if there are more than five labels."""
CLASS = "class/"
"""Prefix of the recall of one class, such as `class/dog`."""


@dataclass(frozen=True)
class ClassificationScores(AccuracyScores):
    """Accuracies and recalls in percent."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, photograph j counts `weights[i, j]` times.

        A class without images in a sample is nan there, and is left out of its mean.
        """
        scores = super().reweighted(weights)
        classes = [values for name, values in scores.items() if name.startswith(CLASS)]
        return scores | {"mean_per_class_recall": np.nanmean(classes, axis=0)}


def classification_scores(
    scores: np.ndarray,
    labels: Sequence[str],
    truth: Mapping[str, str],
    photographs: Mapping[str, str] | None = None,
) -> ClassificationScores:
    """Computes `acc1`, `acc5` and `mean_per_class_recall` in percent, and the recall of each class, `class/LABEL`.

    An image is right if its label's score is above those of all other labels (at 5: of all but four). Equal scores
    count against the model. An image without scores (nan), such as an unreadable one, is wrong. Only classes with
    images count in the mean.

    Args:
        scores: score (images, labels) of each label for each image.
        labels: the labels.
        truth: image id → label, in the order of the rows.
        photographs: image id → id of the photograph, which intervals resample. By default all differ.

    Raises:
        UserError: if the sizes do not fit together, or the labels lack a true one.
    """
    if scores.shape != (len(truth), len(labels)):
        raise UserError(
            f"scores of shape {scores.shape} for {len(truth)} images and {len(labels)} labels; give each image a score "
            "for each label"
        )
    place = {label: index for index, label in enumerate(labels)}
    if missing := [label for label in truth.values() if label not in place]:
        raise UserError(f"{len(missing)} images have a label that is not among the labels: {missing[0]!r}")
    ranks = first_ranks(scores, [[place[label]] for label in truth.values()])
    right = {k: dict(zip(truth, (100.0 * (ranks <= k)).tolist(), strict=True)) for k in (1, 5)}
    classes = {image: {CLASS.rstrip("/"): label} for image, label in truth.items()}
    first = accuracy_scores(right[1], classes, photographs)
    found, sums = dict(first.scores), dict(first.sums)
    recalls = [value for name, value in found.items() if name.startswith(CLASS)]
    named, named_sums = {"acc1": found.pop("overall")}, {"acc1": sums.pop("overall")}
    if len(labels) > 5:
        fifth = accuracy_scores(right[5], None, photographs)
        named["acc5"], named_sums["acc5"] = fifth.scores["overall"], fifth.sums["overall"]
    named["mean_per_class_recall"] = float(np.mean(recalls))
    return ClassificationScores(named | found, right[1], first.units, named_sums | sums)
