"""Scores of pictures beside their originals: PSNR and SSIM (Wang et al. 2004), by torchmetrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError

METRICS = (Metric("PSNR", "dB", main=True), Metric("SSIM", digits=3))
MAX_PSNR = 100.0
"""PSNR, in dB, of a picture that equals its original, in place of infinity."""


@dataclass(frozen=True)
class MeanScores:
    """Means over pictures, with bootstrap intervals that resample photographs."""

    scores: dict[str, float]
    units: list[str]
    """Ids of the photographs."""
    values: dict[str, np.ndarray] = field(repr=False)
    """Score name → value (pictures,) of each picture."""
    unit_of: np.ndarray = field(repr=False)
    """Index (pictures,) of the photograph of each picture."""
    notes: list[str] = field(default_factory=list)
    """Remarks that matter when reading the scores, one line each."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, photograph j counts `weights[i, j]` times."""
        rows = weights[:, self.unit_of]
        with np.errstate(invalid="ignore"):
            return {name: rows @ values / rows.sum(1) for name, values in self.values.items()}

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score."""
        return bootstrap.intervals(self, confidence, samples, seed)


def mean_scores(
    values: Mapping[str, np.ndarray], photographs: Sequence[str], notes: Sequence[str] = ()
) -> MeanScores:
    """Returns the mean of each score over pictures.

    Args:
        values: score name → value (pictures,) of each picture.
        photographs: id of the photograph of each picture, which intervals resample.
        notes: remarks that matter when reading the scores.

    Raises:
        UserError: if there are no pictures.
    """
    if not len(photographs):
        raise UserError("none of the pictures could be drawn; check the images")
    place = {unit: index for index, unit in enumerate(dict.fromkeys(photographs))}
    scores = {name: float(value.mean()) for name, value in values.items()}
    unit_of = np.array([place[unit] for unit in photographs])
    return MeanScores(scores, list(place), dict(values), unit_of, list(notes))


def fidelity(pictures: np.ndarray, originals: np.ndarray) -> dict[str, np.ndarray]:
    """Returns PSNR in dB and SSIM (pictures,) of each picture.

    Args:
        pictures: (pictures, height, width, 3) uint8.
        originals: the same of the originals.
    """
    import torch
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    found, true = (torch.tensor(rows).permute(0, 3, 1, 2).float() for rows in (pictures, originals))
    psnr = peak_signal_noise_ratio(found, true, data_range=255.0, reduction="none", dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(found, true, data_range=255.0, reduction="none")
    assert isinstance(ssim, torch.Tensor)
    return {"PSNR": psnr.clamp(max=MAX_PSNR).numpy(), "SSIM": ssim.reshape(-1).numpy()}
