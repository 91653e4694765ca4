"""Cells of a table: a score with its interval, or a mean over seeds with its standard deviation and interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from frozenvl.report.load import Result

PARTIAL, SUPERVISED = "*", "†"
"""Marks beside a score: only a part of the queries was scored; the encoder was trained on the benchmark's classes."""
STUDENT: tuple[float, ...] = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom."""


@dataclass(frozen=True)
class Cell:
    """One number of a table, with its uncertainty."""

    digits: int = 1
    """Number of decimals that are shown."""
    mean: float | None = None
    """Value of the score or cost, or its mean over `draws` seeds; None shows a dash."""
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    deviation: float | None = None
    """Sample standard deviation (n - 1) over seeds: of the demonstrations, or of runs."""
    draws: int = 1
    """Number of seeds."""
    marks: str = ""
    """`PARTIAL`, `SUPERVISED`, both or neither."""

    @property
    def value(self) -> str:
        """Mean as text."""
        return "–" if self.mean is None else self._written(self.mean)

    @property
    def spread(self) -> str:
        """Standard deviation and number of seeds as text; empty for one seed."""
        if self.deviation is None:
            return ""
        return f"± {self._written(self.deviation)} ({self.draws} seeds)"

    @property
    def interval(self) -> str:
        """Interval as text, such as "[27.0, 33.0]"; empty if there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self._written(self.low)}, {self._written(self.high)}]"

    def _written(self, number: float) -> str:
        return f"{number:,.{self.digits}f}"

    def __str__(self) -> str:
        return " ".join(part for part in (self.value + self.marks, self.spread, self.interval) if part)


def cell_of(results: Sequence[Result], score: str) -> Cell:
    """Returns the cell of a score: of one result, or of several that differ only in the seed of their demonstrations.

    The ends of a mean's interval are the means of the results' ends. It covers the choice of images, not of
    demonstrations, and is slightly wider than necessary.
    """
    results = [result for result in results if math.isfinite(result.scores.get(score, math.nan))]
    if not results:
        return Cell()
    values = [result.scores[score] for result in results]
    ends = [result.intervals.get(score, (math.nan, math.nan)) for result in results]
    low, high = (fmean(side) for side in zip(*ends, strict=True))
    complete = math.isfinite(low + high)
    return Cell(
        digits=results[0].metric(score).digits,
        mean=fmean(values),
        low=low if complete else None,
        high=high if complete else None,
        deviation=stdev(values) if len(values) > 1 else None,
        draws=len(values),
        marks=(PARTIAL if any(result.partial for result in results) else "")
        + (SUPERVISED if any(result.supervised_encoder for result in results) else ""),
    )


def over_seeds(cells: Sequence[Cell]) -> Cell:
    """Returns the mean over cells, one per run, with its 95 % interval by Student's t.

    If fewer than two different values are known, returns the first known cell as it is, or an empty one.
    """
    known = [cell for cell in cells if cell.mean is not None]
    means = [cell.mean or 0.0 for cell in known]
    if len(set(means)) < 2:
        return known[0] if known else Cell()
    mean, deviation, freedom = fmean(means), stdev(means), len(means) - 1
    half = (STUDENT[freedom - 1] if freedom <= len(STUDENT) else 1.96) * deviation / math.sqrt(len(means))
    marks = "".join(dict.fromkeys(mark for cell in known for mark in cell.marks))
    return Cell(known[0].digits, mean, mean - half, mean + half, deviation, len(means), marks)
