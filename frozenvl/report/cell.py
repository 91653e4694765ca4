"""Cells of a table: a score with its interval, or a mean over seeds with its standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from frozenvl.report.load import Result

PARTIAL, SUPERVISED = "*", "†"
"""Marks beside a score: only a part of the queries was scored; the encoder was trained on the benchmark's classes."""


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
    """Returns the cell of one result, or of several that differ in the seed of their demonstrations.

    The ends of a mean's interval are the means of the results' ends. It covers the choice of images, not of
    demonstrations, and is slightly wider than necessary.

    Args:
        results: results of one run, view and setting.
        score: name of the score.
    """
    results = [result for result in results if math.isfinite(result.scores.get(score, math.nan))]
    if not results:
        return Cell()
    values = [result.scores[score] for result in results]
    ends = [result.intervals.get(score, (math.nan, math.nan)) for result in results]
    complete = all(math.isfinite(end) for pair in ends for end in pair)
    return Cell(
        digits=results[0].metric(score).digits,
        mean=fmean(values),
        low=fmean(low for low, _ in ends) if complete else None,
        high=fmean(high for _, high in ends) if complete else None,
        deviation=stdev(values) if len(values) > 1 else None,
        draws=len(values),
        marks=(PARTIAL if any(result.partial for result in results) else "")
        + (SUPERVISED if any(result.supervised_encoder for result in results) else ""),
    )
