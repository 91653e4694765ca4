"""Plots of a sweep: the metric against the varied keys and trained parameters, and training curves."""

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
"""Maximum number of values with a tick each, and of curves with an entry in the legend."""


def plots_of(results: SweepResults) -> list[Plot]:
    """Returns the plots of a sweep's results."""
    metric, keys = results.metric, axes_of(results)
    plots = []
    for key in keys:
        name = f"metric-{short_key(key)}" if len(keys) > 1 else "metric"
        plots.append(Plot(name, f"{metric} against {key}", partial(_draw, results, key)))
    if len({entry.cost("trained_parameters") for entry in results.points} - {None}) > 1:
        plots.append(Plot("parameters", f"{metric} against {SIZE}", partial(_draw, results, None)))
    if (curve := curve_of(results)) is not None:
        draw = partial(_draw_curves, results, curve)
        plots.append(Plot("curves", f"{curve} against optimiser steps", draw))
    return plots


def axes_of(results: SweepResults) -> list[str]:
    """Returns the keys that have a plot: all that vary in a search, else one.

    That one is preferably a key of every arm, then one of numbers, then the one with most values.
    """
    values = {key: values_of(results.points, key) for key in results.keys}
    varied = [key for key in results.keys if len(values[key]) > 1]
    if results.spec["search"] or not varied:
        return varied
    shared = {key: all(key in entry.point.values for entry in results.points) for key in varied}
    return [max(varied, key=lambda key: (shared[key], all(map(is_number, values[key])), len(values[key])))]


def values_of(points: Sequence[PointResult], key: str) -> list[Any]:
    """Returns the different values of a key, in the order of points."""
    values = [entry.point.values[key] for entry in points if key in entry.point.values]
    return [value for number, value in enumerate(values) if value not in values[:number]]


def lines_of(results: SweepResults, key: str | None) -> dict[str, list[PointResult]]:
    """Groups points by the label of their line: a line has one arm and one value of each of the `free_keys`.

    The horizontal axis is `key`, or the number of trained parameters if that is None.
    """
    lines: dict[str, list[PointResult]] = {}
    for arm in results.arms:
        points = [x for x in results.points if x.point.arm == arm and (key is None or key in x.point.values)]
        free = [] if key is None or results.spec["search"] else free_keys(points, key)
        for entry in points:
            names = [f"{short_key(name)} {in_words(entry.point.values.get(name))}" for name in free]
            lines.setdefault(", ".join([arm, *names] if arm else names), []).append(entry)
    return lines


def free_keys(points: Sequence[PointResult], key: str) -> list[str]:
    """Returns the other keys that vary while `key` has one value: the horizontal axis does not determine them."""
    others = dict.fromkeys(name for entry in points for name in entry.point.values if name != key)
    values = [entry.point.values for entry in points]
    fixed = len({repr(x.get(key)) for x in values})
    return [name for name in others if len({(repr(x.get(key)), repr(x.get(name))) for x in values}) > fixed]


def _draw(results: SweepResults, key: str | None) -> Any:
    """Draws the metric against a key, or against trained parameters if it is None: single runs and their means."""
    from matplotlib.figure import Figure

    metric, lines, searched = results.metric, lines_of(results, key), results.spec["search"]
    figure = Figure(figsize=(6.4, 3.8 + 0.22 * len(lines)), layout="constrained")
    axes = figure.subplots()
    place = _axis(axes, results, key)
    joined = key is not None and not searched
    handles = []
    for number, (label, line) in enumerate(lines.items()):
        shift = 5.0 * (number - (len(lines) - 1) / 2) if joined else 0.0
        known = sorted((entry for entry in line if entry.cells(metric)), key=place)
        singles = [(place(entry), cell.mean) for entry in known for cell in entry.cells(metric)]
        dots = axes.plot(*zip(*singles, strict=True), **look(number), alpha=0.4, markersize=4, linestyle="")
        move(axes, dots, shift + 5 * joined)
        if not searched:
            means = [entry.mean(metric) for entry in known]
            # The interval of a single run is over images, so it is not drawn.
            cells = [cell if cell.draws > 1 else Cell(mean=cell.mean) for cell in means]
            style = {**look(number), "linestyle": "-" if joined else "", "label": label or None}
            handles.append(draw_cells(axes, list(map(place, known)), cells, shift, capsize=3, **style))
    axes.set_ylabel(metric)
    if len(lines) > 1 and handles:
        show_legend(figure, handles)
    return figure


def _axis(axes: Any, results: SweepResults, key: str | None) -> Callable[[PointResult], float]:
    """Sets up the horizontal axis; returns a function that gives the position of a point on it."""
    if key is None:
        count_axis(axes, SIZE)
        return lambda entry: entry.cost("trained_parameters") or 1.0
    axes.set_xlabel(key)
    values = values_of(results.points, key)
    if not all(map(is_number, values)):
        names = [in_words(value) for value in values]
        axes.set_xticks(range(len(values)), names, rotation=20 if sum(map(len, names)) > 50 else 0)
        axes.set_xlim(-0.5, len(values) - 0.5)
        return lambda entry: values.index(entry.point.values[key])
    if min(values) > 0 and max(values) / min(values) >= 8:
        twos = all(math.log2(value).is_integer() for value in values)
        axes.set_xscale("log", base=2 if twos else 10)
    if len(values) <= MAX_TICKS:
        axes.set_xticks(sorted(values), [f"{value:g}" for value in sorted(values)])
        axes.set_xticks([], minor=True)
    return lambda entry: entry.point.values[key]


def histories_of(entry: PointResult) -> list[list[dict[str, Any]]]:
    """Reads the rows of each run's history.jsonl."""
    return [list(read_lines(run.folder / "history.jsonl")) for run in entry.runs.values()]


def curve_of(results: SweepResults) -> str | None:
    """Returns the key of history.jsonl to draw: the metric, or else a loss, if there are enough values; else None."""
    histories = [history for entry in results.points for history in histories_of(entry)]
    counts = Counter(key for history in histories for row in history for key in row)
    candidates = (results.metric, "val/loss", "train/loss")
    return next((key for key in candidates if counts[key] > len(histories)), None)


def _draw_curves(results: SweepResults, curve: str) -> Any:
    """Draws training curves: a panel for each arm, a colour for each point; runs are thin lines, means thick ones."""
    import matplotlib
    from matplotlib.figure import Figure

    arms = results.arms
    figure = Figure(figsize=(6.4 if len(arms) == 1 else 4.6 * len(arms), 4.2), layout="constrained")
    panels = figure.subplots(1, len(arms), squeeze=False, sharey=True)[0]
    for axes, arm in zip(panels, arms, strict=True):
        of_arm = [entry for entry in results.points if entry.point.arm == arm]
        shades = matplotlib.colormaps["viridis"].resampled(len(of_arm) + 1)
        for number, entry in enumerate(of_arm):
            lines = [
                {row["step"]: row[curve] for row in rows if curve in row} for rows in histories_of(entry)
            ]
            for line in lines if len(lines) > 1 else []:
                axes.plot(list(line), list(line.values()), color=shades(number), alpha=0.3, linewidth=0.7)
            steps = sorted(set.intersection(*map(set, lines)))
            means = [fmean(line[step] for line in lines) for step in steps]
            axes.plot(steps, means, color=shades(number), linewidth=1.8, label=entry.point.label)
        axes.set(xlabel="optimiser step", title=arm)
        if len(of_arm) <= MAX_TICKS:
            axes.legend()
    panels[0].set_ylabel(curve)
    return figure


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
