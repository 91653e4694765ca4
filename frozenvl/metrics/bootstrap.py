"""How sure a score is: bootstrap intervals (Efron 1979), and paired between two sets of outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from frozenvl.util.errors import UserError

_CHUNK = 1 << 22
"""Numbers held at a time, so that memory does not grow with the number of samples."""


class Resampled(Protocol):
    """A set of scores that can be computed again for a resampled set of units (images)."""

    @property
    def scores(self) -> dict[str, float]: ...

    @property
    def units(self) -> list[str]:
        """What is resampled: ids of images."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Every score, as (samples,), where unit j counts `weights[i, j]` times in sample i."""


@dataclass(frozen=True)
class Difference:
    """How much higher a score of the second set is than that of the first."""

    difference: float
    low: float
    high: float
    p: float
    """Two-sided bootstrap p-value of no difference; at least 1 / (samples + 1)."""


def intervals(
    result: Resampled, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Percentile intervals (low, high) of every score. The same seed gives the same numbers.

    Raises `UserError` for a confidence outside (0, 1) or fewer than one sample.
    """
    _check(confidence, samples)
    drawn = _concatenate(result.reweighted(w) for w in _weights(len(result.units), samples, seed))
    return {name: _interval(drawn[name], confidence) for name in result.scores}


def paired_bootstrap(
    first: Resampled, second: Resampled, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Second minus first, for every score that both have, both computed on the same resampled images.

    Raises:
        UserError: the two do not score the same images, or have no score in common.
    """
    _check(confidence, samples)
    place = {unit: index for index, unit in enumerate(second.units)}
    if place.keys() != set(first.units):
        only = sorted(place.keys() ^ set(first.units), key=str)
        raise UserError(
            f"{len(only)} images are scored in one of the two only (first: {only[0]!r});"
            " compare predictions for the same images"
        )
    names = [name for name in first.scores if name in second.scores]
    if not names:
        raise UserError(f"no score in common: {list(first.scores)} and {list(second.scores)}")
    order = np.argsort([place[unit] for unit in first.units])
    drawn = _concatenate(
        _subtract(second.reweighted(w[:, order]), first.reweighted(w), names)
        for w in _weights(len(first.units), samples, seed)
    )
    return {
        name: Difference(
            second.scores[name] - first.scores[name],
            *_interval(drawn[name], confidence),
            _p_value(drawn[name]),
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
    """(some samples, units): how often each unit was drawn, `units` draws with replacement a sample."""
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


def _interval(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    # A rare group of questions is missing from some samples (nan): its interval is over the others.
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _p_value(drawn: np.ndarray) -> float:
    drawn = drawn[~np.isnan(drawn)]
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (len(drawn) + 1)))
