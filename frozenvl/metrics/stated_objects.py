"""Objects that captions state, such as "red circle", against those that are in the picture."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from frozenvl.metrics import bootstrap, captions
from frozenvl.metrics.accuracy import Groups
from frozenvl.metrics.caption_groups import GroupedCaptionScores, grouped_caption_scores
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError

METRICS = (
    Metric("objects right", unit="%", main=True),
    Metric("objects found", unit="%"),
    *(replace(metric, main=False) for metric in captions.METRICS),
)
"""Descriptions of the scores: precision and recall of the stated objects, and the caption scores beside them."""


@dataclass(frozen=True)
class ObjectScores:
    """Precision and recall of the objects that captions state, beside the caption scores."""

    captions: GroupedCaptionScores
    """Caption scores of the same captions."""
    counts: np.ndarray = field(repr=False)
    """Counts (images, 3): objects that are stated and in the picture, that are stated, that are in the picture."""

    @property
    def scores(self) -> dict[str, float]:
        """`objects right` and `objects found` in percent, then the caption scores."""
        right, found = shares(self.counts.sum(axis=0))
        return {"objects right": float(right), "objects found": float(found)} | self.captions.scores

    @property
    def per_query(self) -> dict[str, float]:
        """Image id → percentage of the stated objects that are in the picture; 0 for a caption that states none."""
        right, _ = shares(self.counts)
        return dict(zip(self.units, right.tolist(), strict=True))

    @property
    def units(self) -> list[str]:
        """Image ids, which intervals resample."""
        return self.captions.units

    @property
    def notes(self) -> list[str]:
        """Remarks that matter when reading the scores, one line each."""
        silent = int((self.counts[:, 1] == 0).sum())
        line = f"{silent} of {len(self.counts)} captions state no object; they do not count in objects right"
        return ([line] if silent else []) + self.captions.notes

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, image j counts `weights[i, j]` times."""
        right, found = shares(weights @ self.counts)
        return {"objects right": right, "objects found": found} | self.captions.reweighted(weights)

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples images."""
        return bootstrap.intervals(self, confidence, samples, seed)


def shares(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns precision and recall in percent from counts (..., 3). Precision is 0 if nothing is stated."""
    true, stated, present = np.moveaxis(np.asarray(counts, float), -1, 0)
    none = np.zeros_like(true)
    right = np.divide(100 * true, stated, out=none.copy(), where=stated > 0)
    return right, np.divide(100 * true, present, out=none, where=present > 0)


def stated_objects(
    text: str, attributes: Collection[str], nouns: Collection[str]
) -> frozenset[tuple[str, str]]:
    """Returns the different (attribute, noun) pairs that a text states, such as ("red", "circle").

    The attribute has to stand directly before the noun, which may be a plural in "s" or "es". Case does not count.
    """
    words = ("|".join(map(re.escape, sorted(some, key=len, reverse=True))) for some in (attributes, nouns))
    pattern = r"\b({})\s+({})(?:e?s)?\b".format(*words)
    return frozenset((a.lower(), n.lower()) for a, n in re.findall(pattern, text, re.IGNORECASE))


def object_scores(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    groups: Groups,
    attributes: Collection[str],
    nouns: Collection[str],
    **options: Any,
) -> ObjectScores:
    """Computes precision and recall of the objects that captions state, and their caption scores.

    An object is an attribute with a noun. The objects in a picture are those that its references state, together.

    Args:
        candidates: image id → generated caption, as raw text.
        references: image id → captions that together state every object of the image, and nothing else.
        groups: image id → kind → group, as in `grouped_caption_scores`. Groups have caption scores only.
        attributes: attributes in the singular, such as colours.
        nouns: nouns in the singular, such as shapes.
        options: other arguments of `caption_scores`.

    Raises:
        UserError: if captions and references cannot be scored, see `caption_scores`, or no reference states an object.
    """
    result = grouped_caption_scores(candidates, references, groups, **options)
    counts = np.zeros((len(result.units), 3))
    for row, image in enumerate(result.units):
        stated = stated_objects(candidates[image], attributes, nouns)
        present = stated_objects(" . ".join(references[image]), attributes, nouns)
        counts[row] = len(stated & present), len(stated), len(present)
    if not counts[:, 2].any():
        raise UserError(
            "no reference states an object: the attributes and nouns are not those of these captions; "
            "use the benchmark Captions"
        )
    return ObjectScores(result, counts)
