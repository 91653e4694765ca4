"""The description of a metric: its unit, its digits, and which direction is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """Describes a score, so that tables, plots and searches treat it rightly without knowing its name."""

    name: str
    unit: str = ""
    """Such as "%"; empty for a plain number."""
    digits: int = 1
    """Digits after the decimal point in tables."""
    better: Literal["higher", "lower"] = "higher"
    main: bool = False
    """True for the one metric that stands for the others of its benchmark."""
    shown: bool = True
    """False for a score that tables leave out unless every score is asked for."""


def metric_of(score: str, metrics: Sequence[Metric]) -> Metric:
    """The metric with a score's name. A score that is not listed is a breakdown of the main metric, such as by kind."""
    listed = {metric.name: metric for metric in metrics}
    return listed.get(score) or replace(main_of(metrics), name=score, main=False, shown=False)


def main_of(metrics: Sequence[Metric]) -> Metric:
    """The main metric of a benchmark. Raises `ValueError` unless there is exactly one."""
    mains = [metric for metric in metrics if metric.main]
    if len(mains) != 1:
        names = ", ".join(metric.name for metric in metrics) or "none"
        raise ValueError(f"{len(mains)} of the metrics ({names}) have main=True; one of them has to")
    return mains[0]
