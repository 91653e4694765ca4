"""Tagging: average precision of each tag over images, and precision and recall of an image's first k tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError


def tagging_metrics(k: int) -> tuple[Metric, ...]:
    """Returns the descriptions of the scores, with precision and recall of the first k tags."""
    return (
        Metric("mAP", digits=3, main=True),
        Metric(f"precision_at_{k}", "%"),
        Metric(f"recall_at_{k}", "%"),
    )


@dataclass(frozen=True)
class TaggingScores:
    """Scores of tagging: average precisions from 0 to 1, precision and recall of the first k tags in percent."""

    scores: dict[str, float]
    """`mAP`, `precision_at_K`, `recall_at_K`, and the average precision of each tag, `tag/dog`."""
    units: list[str]
    """Ids of the photographs, which intervals resample."""
    tag_scores: np.ndarray = field(repr=False)
    """Score (images, tags) of each tag that is true of some image; -inf if it is missing."""
    truth: np.ndarray = field(repr=False)
    """Whether (images, tags) each of these tags is true."""
    tags: Sequence[str] = field(repr=False)
    """The tags that are true of some image."""
    first: dict[str, tuple[np.ndarray, np.ndarray]] = field(repr=False)
    """Score name → (value in percent, 1 if it counts) of each image, for the first k tags."""
    unit_of: np.ndarray = field(repr=False)
    """Index (images,) of the photograph of each image."""
    notes: list[str] = field(default_factory=list)
    """Remarks that matter when reading the scores, one line each."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, photograph j counts `weights[i, j]` times.

        A tag that is true of no image of a sample is nan there, and is left out of its mean.
        """
        rows = weights[:, self.unit_of]
        columns = np.array(
            [
                average_precision(self.tag_scores[:, tag], self.truth[:, tag], rows)
                for tag in range(len(self.tags))
            ]
        )
        known = ~np.isnan(columns)
        with np.errstate(invalid="ignore"):
            scores = {"mAP": np.where(known, columns, 0).sum(axis=0) / known.sum(axis=0)}
            scores |= {
                name: np.divide(rows @ (values * counts), rows @ counts)
                for name, (values, counts) in self.first.items()
            }
        return scores | {f"tag/{tag}": column for tag, column in zip(self.tags, columns, strict=True)}

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples photographs."""
        return bootstrap.intervals(self, confidence, samples, seed)


def average_precision(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the average precision (samples,) of a ranking: the mean precision at the place of each true image.

    Images of equal scores have one place, behind the last of them, as in scikit-learn's `average_precision_score`.
    The result is nan where no true image has a weight.

    A true image that counts several times stands once at its own place. Otherwise its copies would raise the precision
    there, and all resampled scores would lie above the score itself (near chance, above its whole interval).

    Args:
        scores: score (images,) of each image.
        truth: whether (images,) the tag is true.
        weights: number (samples, images) of times that each image counts.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, positive = -scores[order], np.flatnonzero(truth[order])
    ends = np.searchsorted(ordered, ordered[positive], side="right") - 1
    weighted = weights[:, order]
    of_true = weighted[:, positive]
    seen = np.cumsum(weighted, axis=1)[:, ends]
    true_seen = np.cumsum(of_true, axis=1)[:, np.searchsorted(positive, ends, side="right") - 1]
    copies = np.maximum(of_true - 1, 0)
    true_seen, seen = true_seen - copies, seen - copies
    precision = np.divide(true_seen, seen, out=np.zeros_like(seen), where=seen > 0)
    total = of_true.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, (of_true * precision).sum(axis=1) / total, np.nan)


def tagging_scores(
    scores: np.ndarray,
    truth: np.ndarray,
    tags: Sequence[str],
    photographs: Sequence[str],
    k: int = 5,
) -> TaggingScores:
    """Computes the mean average precision over tags (macro mAP), and precision and recall of each image's first k tags.

    Tags that are true of no image have no average precision. They are left out of the mean, and a note counts them.
    A tag is among the first k of an image if at most k tags, itself included, are not below it: equal scores count
    against the model. Images without true tags are left out of recall. With k tags or fewer, both are left out.

    Args:
        scores: score (images, tags) of each tag for each image; nan if it is missing, such as for an unreadable image.
            A missing score is below all others.
        truth: whether (images, tags) each tag is true of each image.
        tags: the tags.
        photographs: id of each image, which intervals resample. Equal ids are one photograph.
        k: number of tags of an image that are taken as its answer.

    Raises:
        UserError: if the sizes do not fit together, no tag is true of any image, or k is below 1.
    """
    if scores.shape != truth.shape or scores.shape != (len(photographs), len(tags)):
        raise UserError(
            f"scores of shape {scores.shape} and truth of shape {truth.shape} for {len(photographs)} images and "
            f"{len(tags)} tags; give each image a score for each tag"
        )
    if k < 1:
        raise UserError(f"the first {k} tags of an image are none; k starts at 1")
    scores, truth = np.where(np.isfinite(scores), scores, -np.inf), truth.astype(bool)
    known = np.flatnonzero(truth.any(axis=0)).tolist()
    if not known:
        raise UserError("none of the tags is true of any image; give other tags, or a smaller `min_captions`")
    first = _first(scores, truth, k) if k < len(tags) else {}
    place = {unit: index for index, unit in enumerate(dict.fromkeys(photographs))}
    notes = []
    if absent := len(tags) - len(known):
        notes.append(f"{absent} of {len(tags)} tags are true of no image; they are left out of mAP")
    result = TaggingScores(
        {},
        list(place),
        scores[:, known],
        truth[:, known],
        [tags[index] for index in known],
        first,
        np.array([place[unit] for unit in photographs]),
        notes,
    )
    once = result.reweighted(np.ones((1, len(place))))
    return replace(result, scores={name: float(value[0]) for name, value in once.items()})


def _first(scores: np.ndarray, truth: np.ndarray, k: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns precision and recall of each image's first k tags in percent, and whether they count."""
    places = np.array([len(row) - np.searchsorted(np.sort(row), row) for row in scores])
    hits, true = ((places <= k) & truth).sum(axis=1), truth.sum(axis=1)
    return {
        f"precision_at_{k}": (100.0 * hits / k, np.ones(len(hits))),
        f"recall_at_{k}": (100.0 * hits / np.maximum(true, 1), (true > 0).astype(float)),
    }


def random_map(truth: np.ndarray) -> float:
    """Returns the expected mAP of random scores, over the tags that are true of some image.

    With n images, p of them true, the expected average precision is (H + (p - 1) / (n - 1) · (n - H)) / n, where
    H = 1 + 1/2 + … + 1/n: the image at rank r is true by itself, and each of the others above it with probability
    (p - 1) / (n - 1).

    Args:
        truth: whether (images, tags) each tag is true of each image.
    """
    images = len(truth)
    true = truth.sum(axis=0)
    true = true[true > 0]
    if images < 2 or not len(true):
        return float(len(true) > 0)
    harmonic = (1 / np.arange(1, images + 1)).sum()
    return float(np.mean((harmonic + (true - 1) / (images - 1) * (images - harmonic)) / images))
