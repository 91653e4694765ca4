"""Caption scores of groups of images, such as nocaps' domains, beside those of all images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.metrics.accuracy import Groups
from frozenvl.metrics.captions import CaptionScores, caption_scores


@dataclass(frozen=True)
class GroupedCaptionScores:
    """Scores of a set of captions and of its groups, on pycocoevalcap's scale."""

    whole: CaptionScores
    """Scores of all captions."""
    groups: dict[str, CaptionScores] = field(default_factory=dict)
    """Name of a group, such as `domain/in-domain`, → scores of its captions."""

    @cached_property
    def scores(self) -> dict[str, float]:
        """Scores of all captions, and of each group: `CIDEr`, `domain/in-domain CIDEr`, …"""
        return self.whole.scores | {
            f"{group} {name}": value
            for group, result in self.groups.items()
            for name, value in result.scores.items()
        }

    @property
    def per_image(self) -> dict[str, dict[str, float]]:
        """Image id → scores, with the idf of all references."""
        return self.whole.per_image

    @property
    def per_query(self) -> dict[str, float]:
        """Image id → CIDEr, with the idf of all references."""
        return self.whole.per_query

    @property
    def units(self) -> list[str]:
        """Image ids, which intervals resample."""
        return self.whole.units

    @property
    def notes(self) -> list[str]:
        """Remarks that matter when reading the scores, one line each. Those of a group begin with its name."""
        return self.whole.notes + [
            f"{group}: {note}"
            for group, result in self.groups.items()
            for note in result.notes
            if note not in self.whole.notes
        ]

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, image j counts `weights[i, j]` times.

        A group without images in a sample is nan there.
        """
        resampled = self.whole.reweighted(weights)
        for group, result in self.groups.items():
            own = weights[:, self._rows[group]]
            with np.errstate(invalid="ignore"):
                values = result.reweighted(own)
            empty = own.sum(axis=1) == 0
            resampled |= {f"{group} {name}": np.where(empty, np.nan, v) for name, v in values.items()}
        return resampled

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        """Group → positions of its images among `units`."""
        place = {image: index for index, image in enumerate(self.units)}
        return {
            group: np.array([place[image] for image in result.units]) for group, result in self.groups.items()
        }

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples images."""
        return bootstrap.intervals(self, confidence, samples, seed)


def grouped_caption_scores(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    groups: Groups,
    *args: Any,
    **options: Any,
) -> GroupedCaptionScores:
    """Computes `caption_scores` of all images and of each group.

    A group is scored as if its images were all there are: CIDEr's idf comes from the references of its own images, as
    on nocaps' server.

    Args:
        candidates: image id → generated caption, as raw text.
        references: image id → human captions, as raw text.
        groups: image id → kind → group, like {"7": {"domain": "in-domain"}}. Images may lack groups.
        args: other arguments of `caption_scores`, and so are `options`.

    Raises:
        UserError: if captions and references cannot be scored, see `caption_scores`.
    """
    whole = caption_scores(candidates, references, *args, **options)
    members: dict[str, list[str]] = {}
    for image in references:
        for kind, group in groups.get(image, {}).items():
            if group:
                members.setdefault(f"{kind}/{group}", []).append(image)
    results = {}
    for name, images in members.items():
        if own := {image: candidates[image] for image in images if image in candidates}:
            results[name] = caption_scores(own, {i: references[i] for i in images}, *args, **options)
    return GroupedCaptionScores(whole, results)
