"""A sweep drawn: the metric against what was varied, single runs and means with intervals; and curves of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from frozenvl.report.cell import Cell
from frozenvl.report.cost_table import SIZE
from frozenvl.report.curves import INK, as_file, as_svg, look
from frozenvl.sweep.grid import short, told
from frozenvl.sweep.results import Found, Results
from frozenvl.util.files import read_lines

TICKS = 12
"""Values that are marked one by one on an axis."""


@dataclass(frozen=True)
class Plot:
    """A figure, and what it shows in words."""

    name: str
    title: str
    draw: Callable[[], Any]

    def svg(self, number: int) -> str:
        """An <svg> element for a page; `number` tells its ids from others'."""
        return as_svg(self.draw, number)

    def file(self, kind: str) -> bytes:
        """The content of a `png` or `svg` file."""
        return as_file(self.draw, kind)


def plots_of(results: Results) -> list[Plot]:
    """What there is to draw."""
    metric = results.metric
    drawn = [
        Plot(
            f"metric-{short(key)}" if len(axes_of(results)) > 1 else "metric",
            f"{metric} against {key}",
            _against(results, key),
        )
        for key in axes_of(results)
    ]
    sizes = {found.cost("trained_parameters").mean for found in results.found} - {None}
    if len(sizes) > 1:
        drawn.append(Plot("parameters", f"{metric} against {SIZE}", lambda: _draw(results, None)))
    if (curve := curve_of(results)) is not None:
        drawn.append(Plot("curves", f"{curve} against optimiser steps", lambda: _curves(results, curve)))
    return drawn


def _against(results: Results, key: str) -> Callable[[], Any]:
    return lambda: _draw(results, key)


def axes_of(results: Results) -> list[str]:
    """Keys to draw against: of a search all, else the one that tells most: numbers, many of them, in every arm."""
    values = {
        key: distinct(found.point.values[key] for found in results.found if key in found.point.values)
        for key in dict.fromkeys(key for found in results.found for key in found.point.values)
    }
    varied = [key for key in values if len(values[key]) > 1]
    if results.searched or not varied:
        return varied

    def tells(key: str) -> tuple[bool, bool, int]:
        shared = all(key in found.point.values for found in results.found)
        return shared, all(map(is_number, values[key])), len(values[key])

    return [max(varied, key=tells)]


def lines_of(results: Results, key: str | None) -> dict[str, list[Found]]:
    """Points that are joined: those of an arm that agree in all that the key does not itself decide."""
    lines: dict[str, list[Found]] = {}
    for found in results.found:
        own = [other for other in results.found if other.point.arm == found.point.arm]
        free = [] if key is None or results.searched else free_keys(own, key)
        names = [found.point.arm] if found.point.arm else []
        names += [f"{short(name)} {told(found.point.values.get(name))}" for name in free]
        lines.setdefault(", ".join(names), []).append(found)
    return lines


def free_keys(found: Sequence[Found], key: str) -> list[str]:
    """Keys that take more than one value at one value of a key."""
    free = []
    for other in dict.fromkeys(name for one in found for name in one.point.values if name != key):
        beside: dict[str, set[str]] = {}
        for one in found:
            beside.setdefault(repr(one.point.values.get(key)), set()).add(repr(one.point.values.get(other)))
        if any(len(values) > 1 for values in beside.values()):
            free.append(other)
    return free


def _draw(results: Results, key: str | None) -> Any:
    """The metric against a key, or against trained parameters."""
    from matplotlib.figure import Figure

    lines = lines_of(results, key)
    figure = Figure(figsize=(6.4, 3.8 + 0.22 * len(lines)), layout="constrained")
    axes = figure.subplots()
    place = _axis(axes, results, key)
    joined = key is not None and not results.searched
    handles = []
    for number, (label, line) in enumerate(lines.items()):
        colour, marker = look(number).values()
        aside = 0.012 * (number - (len(lines) - 1) / 2) if joined else 0.0
        known = [(place(found, aside), found) for found in line if found.values(results.metric)]
        known.sort(key=lambda pair: pair[0])
        # A little beside their mean, where that is drawn, too.
        singles = [
            (place(found, aside + (0.015 if joined else 0)), value)
            for _, found in known
            for value in found.values(results.metric)
        ]
        axes.plot(*zip(*singles, strict=True), marker, color=colour, alpha=0.4, markersize=4, linestyle="")
        if results.searched:
            continue
        means = [fmean(found.values(results.metric)) for _, found in known]
        reach = [half_interval(found.mean(results.metric)) for _, found in known]
        handles.append(
            axes.errorbar(
                [x for x, _ in known],
                means,
                reach,
                color=colour,
                marker=marker,
                markersize=6,
                linestyle="-" if joined else "",
                linewidth=1.6,
                elinewidth=1,
                capsize=3,
                label=label or None,
            )
        )
    axes.set(xlabel=key or SIZE, ylabel=results.metric)
    _finish(axes)
    if len(lines) > 1 and handles:
        figure.legend(handles=handles, loc="outside lower left", frameon=False, fontsize=10, handlelength=3)
    return figure


def _axis(axes: Any, results: Results, key: str | None) -> Callable[[Found, float], float]:
    """Sets up the horizontal axis; returns where a point stands on it, a little aside."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, NullLocator

    if key is None:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        return lambda found, aside: found.cost("trained_parameters").mean or 1.0
    values = distinct(found.point.values[key] for found in results.found if key in found.point.values)
    if not all(map(is_number, values)):
        names = [told(value) for value in values]
        axes.set_xticks(range(len(values)), names, rotation=20 if sum(map(len, names)) > 50 else 0)
        axes.set_xlim(-0.5, len(values) - 0.5)
        return lambda found, aside: values.index(found.point.values[key]) + 6 * aside
    values.sort()
    low, high = values[0], values[-1]
    log = low > 0 and high / low >= 8
    if log:
        twos = all(math.log2(value).is_integer() for value in values)
        axes.set_xscale("log", base=2 if twos else 10)
    if len(values) <= TICKS:
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.xaxis.set_minor_locator(NullLocator())
    if log:
        return lambda found, aside: found.point.values[key] * (high / low) ** aside
    return lambda found, aside: found.point.values[key] + aside * (high - low)


def curve_of(results: Results) -> str | None:
    """What of the history tells most of the runs' course: the metric, where it was followed, else losses."""
    counts: dict[str, int] = {}
    for found in results.found:
        for run in found.runs:
            for row in read_lines(run.folder / "history.jsonl"):
                for key in row:
                    counts[key] = counts.get(key, 0) + 1
    runs = sum(len(found.runs) for found in results.found)
    followed = [key for key, count in counts.items() if count > runs]
    return next((key for key in (results.metric, "val/loss", "train/loss") if key in followed), None)


def _curves(results: Results, curve: str) -> Any:
    """A panel an arm, a colour a point: thin lines are runs, thick ones their mean."""
    import matplotlib
    from matplotlib.figure import Figure

    arms = results.arms
    figure = Figure(figsize=(6.4 if len(arms) == 1 else 4.6 * len(arms), 4.2), layout="constrained")
    panels = figure.subplots(1, len(arms), squeeze=False, sharey=True)[0]
    for axes, arm in zip(panels, arms, strict=True):
        own = [found for found in results.found if found.point.arm == arm]
        shades = matplotlib.colormaps["viridis"].resampled(len(own) + 1)
        for number, found in enumerate(own):
            rows = [list(read_lines(run.folder / "history.jsonl")) for run in found.runs]
            lines = [{row["step"]: row[curve] for row in run if curve in row} for run in rows]
            thin = len(lines) > 1
            for line in lines if thin else []:
                axes.plot(list(line), list(line.values()), color=shades(number), alpha=0.3, linewidth=0.7)
            steps = sorted({step for line in lines for step in line if all(step in other for other in lines)})
            means = [fmean(line[step] for line in lines) for step in steps]
            axes.plot(steps, means, color=shades(number), linewidth=1.8, label=found.point.label)
        axes.set(xlabel="optimiser step", title=arm)
        _finish(axes)
        if len(own) <= TICKS:
            axes.legend(frameon=False, fontsize=9)
    panels[0].set_ylabel(curve)
    return figure


def half_interval(cell: Cell) -> float:
    """How far the interval over seeds reaches to either side; of a single run there is none."""
    return (
        (cell.high - cell.low) / 2
        if cell.draws > 1 and cell.low is not None and cell.high is not None
        else 0.0
    )


def _finish(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)


def distinct(values: Any) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
