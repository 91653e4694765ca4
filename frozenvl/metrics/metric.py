"""Descriptions of metrics: unit, digits, and whether higher or lower is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """Description of a score, which tables, plots and sweeps use instead of a list of known names."""

    name: str
    unit: str = ""
    """Unit, such as "%"; empty for a plain number."""
    digits: int = 1
    """Number of digits after the decimal point in tables."""
    better: Literal["higher", "lower"] = "higher"
    """Direction of improvement."""
    main: bool = False
    """True for the metric that represents its benchmark; each benchmark has exactly one."""
    shown: bool = True
    """False for a score that tables leave out unless all scores are requested."""


def metric_of(score: str, metrics: Sequence[Metric]) -> Metric:
    """Returns the metric of a score. A score that is not listed is a breakdown of the main metric, such as by group."""
    listed = {metric.name: metric for metric in metrics}
    return listed.get(score) or replace(main_of(metrics), name=score, main=False, shown=False)


def main_of(metrics: Sequence[Metric]) -> Metric:
    """Returns the main metric of a benchmark. Raises `ValueError` unless there is exactly one."""
    mains = [metric for metric in metrics if metric.main]
    if len(mains) != 1:
        names = ", ".join(metric.name for metric in metrics) or "none"
        raise ValueError(f"{len(mains)} of the metrics ({names}) have main=True; one of them has to")
    return mains[0]
