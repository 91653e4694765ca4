"""Bootstrap confidence intervals of scores (Efron 1979), and the paired bootstrap between two sets of outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from frozenvl.util.errors import UserError

_CHUNK = 1 << 22
"""Largest number of weights in memory at a time, whatever the number of samples."""


class Resampled(Protocol):
    """Interface of scores that can be recomputed for resampled units (images)."""

    @property
    def scores(self) -> dict[str, float]:
        """Score by its name."""

    @property
    def units(self) -> list[str]:
        """Ids of the resampled units, usually images."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, unit j counts `weights[i, j]` times."""


@dataclass(frozen=True)
class Difference:
    """Difference of a score between two sets of outputs: second minus first."""

    difference: float
    low: float
    """Lower bound of the interval."""
    high: float
    """Upper bound of the interval."""
    p: float
    """Two-sided bootstrap p-value of no difference; at least 1 / (samples + 1)."""


def intervals(
    result: Resampled, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Returns the percentile interval (low, high) of every score. The same seed gives the same numbers.

    Raises:
        UserError: if the confidence is outside (0, 1), or there is no sample.
    """
    _check(confidence, samples)
    resampled = _concatenate(result.reweighted(w) for w in _weights(len(result.units), samples, seed))
    return {name: _interval(resampled[name], confidence) for name in result.scores}


def paired_bootstrap(
    first: Resampled, second: Resampled, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Compares two sets of outputs on the same resampled images: second minus first, for each score that both have.

    Raises:
        UserError: if the two score different images, or have no score in common.
    """
    _check(confidence, samples)
    place = {unit: index for index, unit in enumerate(second.units)}
    if place.keys() != set(first.units):
        unpaired = sorted(place.keys() ^ set(first.units), key=str)
        raise UserError(
            f"{len(unpaired)} images are scored in one of the two only (first: {unpaired[0]!r});"
            " compare predictions for the same images"
        )
    names = [name for name in first.scores if name in second.scores]
    if not names:
        raise UserError(f"no score in common: {list(first.scores)} and {list(second.scores)}")
    order = np.argsort([place[unit] for unit in first.units])
    differences = _concatenate(
        _subtract(second.reweighted(w[:, order]), first.reweighted(w), names)
        for w in _weights(len(first.units), samples, seed)
    )
    return {
        name: Difference(
            second.scores[name] - first.scores[name],
            *_interval(differences[name], confidence),
            _p_value(differences[name]),
        )
        for name in names
    }


def _check(confidence: float, samples: int) -> None:
    if not 0 < confidence < 1:
        raise UserError(
            f"a confidence of {confidence} makes no interval; choose one between 0 and 1, like 0.95"
        )
    if samples < 1:
        raise UserError(f"{samples} bootstrap samples make no interval; draw 1000")


def _weights(units: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields chunks of samples (rows, units): how often each unit is drawn, in `units` draws with replacement."""
    random = np.random.default_rng(seed)
    for start in range(0, samples, step := max(1, _CHUNK // max(1, units))):
        rows = min(step, samples - start)
        picks = random.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(picks.ravel(), minlength=rows * units).reshape(rows, units).astype(float)


def _concatenate(parts: Iterator[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    listed = list(parts)
    return {name: np.concatenate([part[name] for part in listed]) for name in listed[0]}


def _subtract(
    second: dict[str, np.ndarray], first: dict[str, np.ndarray], names: Sequence[str]
) -> dict[str, np.ndarray]:
    return {name: second[name] - first[name] for name in names}


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    # A rare group of questions is missing from some samples (nan); its interval comes from the others.
    low, high = np.nanquantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _p_value(differences: np.ndarray) -> float:
    differences = differences[~np.isnan(differences)]
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (len(differences) + 1)))
