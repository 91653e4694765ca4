"""Plots of a sweep: the metric against what was varied, and curves of training; single runs beside their mean."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from frozenvl.report.cell import Cell
from frozenvl.report.cost_table import SIZE
from frozenvl.report.figures import Plot, count_axis, draw_cells, look, move, show_legend
from frozenvl.sweep.grid import in_words, short_key
from frozenvl.sweep.results import PointResult, SweepResults
from frozenvl.util.files import read_lines

MAX_TICKS = 12
"""Values that are marked one by one on an axis, or curves that a legend names."""


def plots_of(results: SweepResults) -> list[Plot]:
    """The plots that the results allow."""
    metric, keys = results.metric, axes_of(results)
    plots = []
    for key in keys:
        name = f"metric-{short_key(key)}" if len(keys) > 1 else "metric"
        plots.append(Plot(name, f"{metric} against {key}", partial(_draw, results, key)))
    if len({found.cost("trained_parameters") for found in results.points} - {None}) > 1:
        plots.append(Plot("parameters", f"{metric} against {SIZE}", partial(_draw, results, None)))
    if (curve := curve_of(results)) is not None:
        plots.append(
            Plot("curves", f"{curve} against optimiser steps", partial(_draw_curves, results, curve))
        )
    return plots


def axes_of(results: SweepResults) -> list[str]:
    """Keys to draw against: all of a search, else one: in every arm, then of numbers, then of many values."""
    varied = [key for key in results.keys if len(values_of(results, key)) > 1]
    if results.searched or not varied:
        return varied

    def rank(key: str) -> tuple[bool, bool, int]:
        values = values_of(results, key)
        shared = all(key in found.point.values for found in results.points)
        return shared, all(map(is_number, values)), len(values)

    return [max(varied, key=rank)]


def values_of(results: SweepResults, key: str) -> list[Any]:
    """The different values of a key, in the order of points."""
    values: list[Any] = []
    for found in results.points:
        if key in found.point.values and found.point.values[key] not in values:
            values.append(found.point.values[key])
    return values


def lines_of(results: SweepResults, key: str | None) -> dict[str, list[PointResult]]:
    """Points to join: those of an arm that agree in every key that the axis does not decide."""
    lines: dict[str, list[PointResult]] = {}
    placed = [found for found in results.points if key is None or key in found.point.values]
    for found in placed:
        own = [other for other in placed if other.point.arm == found.point.arm]
        free = [] if key is None or results.searched else free_keys(own, key)
        names = [found.point.arm] if found.point.arm else []
        names += [f"{short_key(name)} {in_words(found.point.values.get(name))}" for name in free]
        lines.setdefault(", ".join(names), []).append(found)
    return lines


def free_keys(points: Sequence[PointResult], key: str) -> list[str]:
    """Keys that have more than one value at one value of a key."""

    def is_free(other: str) -> bool:
        pairs = {(repr(p.point.values.get(key)), repr(p.point.values.get(other))) for p in points}
        return len(pairs) > len({at for at, _ in pairs})

    others = dict.fromkeys(name for found in points for name in found.point.values if name != key)
    return list(filter(is_free, others))


def _draw(results: SweepResults, key: str | None) -> Any:
    """The metric against a key, or against trained parameters."""
    from matplotlib.figure import Figure

    metric, lines = results.metric, lines_of(results, key)
    figure = Figure(figsize=(6.4, 3.8 + 0.22 * len(lines)), layout="constrained")
    axes = figure.subplots()
    place = _axis(axes, results, key)
    joined = key is not None and not results.searched
    handles = []
    for number, (label, line) in enumerate(lines.items()):
        shift = 5.0 * (number - (len(lines) - 1) / 2) if joined else 0.0
        known = sorted((found for found in line if found.values(metric)), key=place)
        singles = [(place(found), value) for found in known for value in found.values(metric)]
        dots = axes.plot(*zip(*singles, strict=True), **look(number), alpha=0.4, markersize=4, linestyle="")
        move(axes, dots, shift + 5 * joined)
        if not results.searched:
            means = [found.mean(metric) for found in known]
            # A single run has no interval over seeds.
            cells = [cell if cell.draws > 1 else Cell(mean=cell.mean) for cell in means]
            style = {**look(number), "linestyle": "-" if joined else "", "label": label or None}
            handles.append(draw_cells(axes, list(map(place, known)), cells, shift, capsize=3, **style))
    axes.set_ylabel(metric)
    if len(lines) > 1 and handles:
        show_legend(figure, handles)
    return figure


def _axis(axes: Any, results: SweepResults, key: str | None) -> Callable[[PointResult], float]:
    """Sets up the horizontal axis; returns the place of a point on it."""
    if key is None:
        count_axis(axes, SIZE)
        return lambda found: found.cost("trained_parameters") or 1.0
    axes.set_xlabel(key)
    values = values_of(results, key)
    if not all(map(is_number, values)):
        names = [in_words(value) for value in values]
        axes.set_xticks(range(len(values)), names, rotation=20 if sum(map(len, names)) > 50 else 0)
        axes.set_xlim(-0.5, len(values) - 0.5)
        return lambda found: values.index(found.point.values[key])
    if min(values) > 0 and max(values) / min(values) >= 8:
        twos = all(math.log2(value).is_integer() for value in values)
        axes.set_xscale("log", base=2 if twos else 10)
    if len(values) <= MAX_TICKS:
        axes.set_xticks(sorted(values), [f"{value:g}" for value in sorted(values)])
        axes.set_xticks([], minor=True)
    return lambda found: found.point.values[key]


def history_of(found: PointResult) -> list[list[dict[str, Any]]]:
    """The rows of each run's history."""
    return [list(read_lines(run.folder / "history.jsonl")) for run in found.runs]


def curve_of(results: SweepResults) -> str | None:
    """The key of the history to draw: the metric, where runs logged it more than once each, else a loss."""
    histories = [history for found in results.points for history in history_of(found)]
    counts = Counter(key for history in histories for row in history for key in row)
    candidates = (results.metric, "val/loss", "train/loss")
    return next((key for key in candidates if counts[key] > len(histories)), None)


def _draw_curves(results: SweepResults, curve: str) -> Any:
    """A panel for each arm, a colour for each point: thin lines are runs, thick lines their means."""
    import matplotlib
    from matplotlib.figure import Figure

    arms = results.arms
    figure = Figure(figsize=(6.4 if len(arms) == 1 else 4.6 * len(arms), 4.2), layout="constrained")
    panels = figure.subplots(1, len(arms), squeeze=False, sharey=True)[0]
    for axes, arm in zip(panels, arms, strict=True):
        own = [found for found in results.points if found.point.arm == arm]
        shades = matplotlib.colormaps["viridis"].resampled(len(own) + 1)
        for number, found in enumerate(own):
            lines = [{row["step"]: row[curve] for row in rows if curve in row} for rows in history_of(found)]
            for line in lines if len(lines) > 1 else []:
                axes.plot(list(line), list(line.values()), color=shades(number), alpha=0.3, linewidth=0.7)
            steps = sorted(set.intersection(*map(set, lines)))
            means = [fmean(line[step] for line in lines) for step in steps]
            axes.plot(steps, means, color=shades(number), linewidth=1.8, label=found.point.label)
        axes.set(xlabel="optimiser step", title=arm)
        if len(own) <= MAX_TICKS:
            axes.legend()
    panels[0].set_ylabel(curve)
    return figure


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
