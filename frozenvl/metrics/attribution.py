"""Checks of attribution maps that can fail: deletion, insertion, pointing, rank correlation and completeness.

A map gives each cell of a picture a number: how much the cell speaks for what is explained. Sources: Petsiuk et al.
2018 (RISE) for deletion and insertion, Zhang et al. 2018 for the pointing game, Adebayo et al. 2018 for correlations
before and after weights are randomised, Sundararajan et al. 2017 for completeness.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.util.errors import UserError

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of an object, as fractions of the picture's width and height."""


def centre_map(height: int, width: int) -> np.ndarray:
    """Returns the map (height, width) of the centre prior: the nearer a cell to the picture's centre, the higher."""
    # From whole numbers: cells on either side of the centre have exactly equal values.
    y, x = (np.arange(1 - n, n, 2) / (2 * n) for n in (height, width))
    return -np.hypot(y[:, None], x[None, :])


def random_map(height: int, width: int, key: str) -> np.ndarray:
    """Returns a map (height, width) of independent uniform values, the same for the same key in every run."""
    return generator(key).random((height, width))


def generator(key: str) -> np.random.Generator:
    """Returns the random generator of a key, such as a query's id, the same in every run."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def removal_order(values: np.ndarray, key: str) -> np.ndarray:
    """Returns the cells of a map in the order of their values, highest first, as indices into the flattened map.

    Equal values are in an order drawn from the key: the order of the cells themselves would start at the top left.

    Raises:
        UserError: if a value is not finite.
    """
    flat = _finite(values).ravel()
    return np.lexsort((generator(f"ties of {key}").permutation(flat.size), -flat))


def removal_counts(cells: int, points: int) -> np.ndarray:
    """Returns how many cells are gone at each point of a curve: `points` + 1 whole numbers from 0 to `cells`.

    There are `cells` + 1 numbers at most.
    """
    return np.unique(np.rint(np.linspace(0, cells, min(points, cells) + 1)).astype(int))


def area_under(values: Sequence[float], counts: Sequence[float]) -> float:
    """Returns the area under a deletion or insertion curve by the trapezoidal rule, where its whole width is 1.

    Args:
        values: value of what is explained at each point.
        counts: number of cells that are gone, or have come, at each point; increasing.

    Raises:
        UserError: if the two differ in length, or there is no second point.
    """
    x, y = np.asarray(counts, float), np.asarray(values, float)
    if x.shape != y.shape or x.size < 2:
        raise UserError(f"a curve of {y.size} values at {x.size} points has no area; it needs two or more")
    return float(np.trapezoid(y, (x - x[0]) / (x[-1] - x[0])))


def pointing_hit(values: np.ndarray, boxes: Sequence[Box]) -> float:
    """Returns whether the centre of a map's highest cell is inside one of the boxes: 1 or 0.

    If several cells are highest, one of them would be drawn at random; returned is the expected value.

    Args:
        values: map (height, width).
        boxes: boxes of the object, or of equal objects.

    Raises:
        UserError: if a value is not finite, or there is no box.
    """
    if not boxes:
        raise UserError("a map cannot point at an object without a box; leave the question out")
    height, width = _finite(values).shape
    rows, columns = np.nonzero(values == values.max())
    y, x = (rows + 0.5) / height, (columns + 0.5) / width
    inside = [(x >= left) & (x <= right) & (y >= top) & (y <= bottom) for left, top, right, bottom in boxes]
    return float(np.logical_or.reduce(inside).mean())


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Returns Spearman's rank correlation of two maps, equal values at their average rank; nan if a map is constant.

    Raises:
        UserError: if the maps differ in shape, or a value is not finite.
    """
    if first.shape != second.shape:
        raise UserError(f"maps of shape {first.shape} and {second.shape} have no correlation")
    a, b = (average_ranks(_finite(values).ravel()) for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Returns the ranks (n,) of values (n,) from 1, lowest first; equal values have the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def completeness_gap(total: float, value: float, baseline: float) -> float:
    """Returns how far attributions are from completeness, |Σ − (f(x) − f(baseline))| ÷ |f(x) − f(baseline)|.

    It is infinite if f(x) equals f(baseline) and the attributions do not sum to 0.

    Args:
        total: sum of all attributions.
        value: f(x), of the picture.
        baseline: f of the baseline.
    """
    gap, difference = abs(total - (value - baseline)), abs(value - baseline)
    return gap / difference if difference else (0.0 if gap == 0 else float("inf"))


def mean_scores(
    values: Mapping[str, Mapping[str, float]], images: Mapping[str, str], main: str
) -> AccuracyScores:
    """Averages values over queries, with intervals that resample images.

    A query without a value in a score (not given, or nan) does not count in that score.

    Args:
        values: score name → query id → value.
        images: query id → image id, of all queries.
        main: name of the score whose values are `per_question`.

    Raises:
        UserError: if a score has no value at all.
    """
    row = {unit: place for place, unit in enumerate(dict.fromkeys(images.values()))}
    sums: dict[str, np.ndarray] = {}
    for name, own in values.items():
        sums[name] = np.zeros((len(row), 2))
        for key, value in own.items():
            if not np.isnan(value):
                sums[name][row[images[key]]] += value, 1
        if not sums[name][:, 1].sum():
            raise UserError(f"{name}: not one of {len(images)} queries has a value")
    scores = {name: float(total / count) for name, both in sums.items() for total, count in [both.sum(0)]}
    return AccuracyScores(scores, dict(values[main]), list(row), sums)


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise UserError("an attribution map has values that are not finite; its method failed")
    return values
