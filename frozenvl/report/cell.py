"""Numbers in a table: a score with its interval, or the mean over draws of demonstrations with its spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from frozenvl.report.load import Result

PARTIAL, SUPERVISED = "*", "†"
"""Marks: not all queries were asked; the encoder was trained on what is asked, with labels."""


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table."""

    digits: int = 1
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    deviation: float | None = None
    """Standard deviation over seeds: draws of demonstrations, or runs (n - 1)."""
    draws: int = 1
    marks: str = ""

    @property
    def value(self) -> str:
        return "–" if self.mean is None else self._written(self.mean)

    @property
    def spread(self) -> str:
        if self.deviation is None:
            return ""
        return f"± {self._written(self.deviation)} ({self.draws} seeds)"

    @property
    def interval(self) -> str:
        if self.low is None or self.high is None:
            return ""
        return f"[{self._written(self.low)}, {self._written(self.high)}]"

    def _written(self, number: float) -> str:
        return f"{number:,.{self.digits}f}"

    def __str__(self) -> str:
        return " ".join(part for part in (self.value + self.marks, self.spread, self.interval) if part)


def cell_of(results: Sequence[Result], score: str) -> Cell:
    """A score of one result, or of several that differ in the seed of their demonstrations.

    The interval of a mean is the mean of their intervals: that of queries, hardly wider than it need be.
    """
    results = [result for result in results if math.isfinite(result.scores.get(score, math.nan))]
    if not results:
        return Cell()
    values = [result.scores[score] for result in results]
    ends = [result.intervals.get(score, (math.nan, math.nan)) for result in results]
    known = all(math.isfinite(end) for pair in ends for end in pair)
    return Cell(
        digits=results[0].metric(score).digits,
        mean=fmean(values),
        low=fmean(low for low, _ in ends) if known else None,
        high=fmean(high for _, high in ends) if known else None,
        deviation=stdev(values) if len(values) > 1 else None,
        draws=len(values),
        marks=(PARTIAL if any(result.partial for result in results) else "")
        + (SUPERVISED if any(result.supervised_encoder for result in results) else ""),
    )
