"""Plots of a report: scores against shots, inner-shots or repeats, and against the number of trained parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from frozenvl.report.cell import Cell
from frozenvl.report.cost_table import SIZE, Worth
from frozenvl.report.figures import INK, MARKERS, Plot, count_axis, draw_cells, look, show_legend
from frozenvl.report.labels import words
from frozenvl.report.tables import Column, Row, Table

AXES = {"shots": "shots", "inner_shots": "inner-shots", "repeats": "repeats"}
"""Key of a setting that can be the horizontal axis → title of the axis, in the order of preference."""
DASHES = ("-", (0, (5, 2)), "-.", (0, (1, 1.5)))
LABEL = 56
"""Maximum length of a label in the legend, in characters."""


@dataclass
class Line:
    """One line of a plot."""

    column: Column
    kind: int
    """Index of the line's setting among those of the plot: it selects the dashes."""
    label: str
    points: list[tuple[float, Cell]]
    """Values on the axis and scores."""


def plots_of(table: Table) -> list[Plot]:
    """Returns a plot of a benchmark for each number of ways; none if no key of `AXES` has two values.

    The table of costs has a plot of its score against trained parameters, with axes for each evaluation.
    """
    if isinstance(table, Worth):
        return _cost_plots(table)
    rows = [row for row in table.rows if row.score == table.main]
    axis = next((axis for axis in AXES if len({row.setting.get(axis) for row in rows} - {None}) > 1), None)
    if axis is None:
        return []
    ways = sorted({row.setting.get("ways") for row in rows}, key=repr)
    plots = []
    for way in ways:
        of_way = [row for row in rows if axis in row.setting and row.setting.get("ways") == way]
        lines = list(_lines(of_way, axis, table.columns))
        if any(len(line.points) > 1 for line in lines):
            shown = [line for line in lines if len(line.points) > 1 or line.column.kind == "paper"]
            title = f"{way}-way" if len(ways) > 1 else ""
            about = f"{', '.join(filter(None, (table.benchmark, title)))}: {table.main} against {AXES[axis]}"
            plots.append(Plot(AXES[axis], about, partial(_figure, shown, AXES[axis], table.main, title)))
    return plots


def _lines(rows: Sequence[Row], axis: str, columns: Sequence[Column]) -> Iterator[Line]:
    rest = [{key: value for key, value in row.setting.items() if key not in (axis, "ways")} for row in rows]
    # Zero-shot settings do not say how demonstrations are chosen: their point is part of every line that agrees in the
    # other keys.
    kinds = [kind for n, kind in enumerate(rest) if kind not in rest[:n]]
    kinds = [kind for kind in kinds if not any(kind.items() < other.items() for other in kinds)]
    common = {k: v for kind in kinds for k, v in kind.items() if all(other.get(k) == v for other in kinds)}
    for column in columns:
        drawn: list[list[tuple[float, Cell]]] = []
        for number, kind in enumerate(kinds):
            points = [
                (float(row.setting[axis]), cell)
                for row, own in zip(rows, rest, strict=True)
                if own.items() <= kind.items() and (cell := row.cells.get(column, Cell())).mean is not None
            ]
            if points and (column.kind == "run" or points not in drawn):
                drawn.append(points)
                detail = words(kind, common) if column.kind != "baseline" else ""
                yield Line(column, number, f"{column}: {detail}" if detail else str(column), points)


def _cost_plots(worth: Worth) -> list[Plot]:
    sizes = next((row.cells for row in worth.costs if row.score == SIZE), {})
    points_of = {}
    for row in worth.scores:
        points = [(column, size.mean, row.cells[column]) for column, size in sizes.items() if size.mean]
        if known := [point for point in points if point[2].mean is not None]:
            points_of[row.score] = known
    return [Plot("cost", worth.main, partial(_scatter, worth.columns, points_of))] if points_of else []


def _figure(lines: Sequence[Line], axis: str, score: str, title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.2 + 0.24 * len(lines)), layout="constrained")
    axes = figure.subplots()
    steps = sorted({x for line in lines for x, _ in line.points})  # equidistant ticks: 0, 1, 2, 4, 8
    run_lines = [line for line in lines if line.column.kind == "run"]
    runs = list(dict.fromkeys(line.column for line in run_lines))
    papers = [line for line in lines if line.column.kind == "paper"]
    spacing = min(3.0, 20 / max(1, len(run_lines)))  # between lines at one x, in points (1/72 inch)
    handles = []
    for line in lines:
        style: dict[str, Any] = {"color": INK, "alpha": 0.6, "linewidth": 1}
        shift = 0.0
        if line.column.kind == "baseline":
            style |= {"linestyle": "--" if line.column.name == "chance" else ":"}
        elif line.column.kind == "paper":
            style |= {"marker": MARKERS[papers.index(line) % len(MARKERS)], "linestyle": ""}
            style |= {"markerfacecolor": "none", "markersize": 7, "alpha": 0.75}
        else:
            shift = spacing * (run_lines.index(line) - (len(run_lines) - 1) / 2)
            style = look(runs.index(line.column)) | {"markersize": 5}
            style["linestyle"] = DASHES[line.kind % len(DASHES)]
        label = line.label if len(line.label) <= LABEL else line.label[: LABEL - 1] + "…"
        x = [float(steps.index(value)) for value, _ in line.points]
        handles.append(draw_cells(axes, x, [cell for _, cell in line.points], shift, label=label, **style))
    axes.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
    axes.set(xlabel=axis, ylabel=score, title=title)
    show_legend(figure, handles)
    return figure


def _scatter(columns: Sequence[Column], points_of: dict[str, list[tuple[Column, float, Cell]]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6 * len(points_of)), layout="constrained")
    panels = figure.subplots(len(points_of), squeeze=False)[:, 0]
    for axes, (score, points) in zip(panels, points_of.items(), strict=True):
        count_axis(axes, SIZE)
        axes.set_ylabel(score)
        # Best first, which is the order of the legend.
        for column, size, cell in sorted(points, key=lambda point: -(point[2].mean or 0.0)):
            style = look(columns.index(column))
            draw_cells(axes, [size], [cell], label=str(column), linestyle="", **style)
        sizes = [size for _, size, _ in points]
        axes.set_xlim(min(sizes) / 2, max(sizes) * 2)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
