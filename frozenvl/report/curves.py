"""Plots of a report: scores against shots, inner-shots or repeats, and against the number of trained parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    points: list[tuple[float, Cell]] = field(default_factory=list)
    """Values on the axis and scores."""


@dataclass
class Panel:
    """One plot with its lines."""

    title: str
    axis: str
    """Key of the setting that is the horizontal axis."""
    lines: list[Line]


def panels(table: Table) -> list[Panel]:
    """Returns a plot for each number of ways; none if no key of `AXES` has two values."""
    rows = [row for row in table.rows if row.score == table.main]
    axis = next((axis for axis in AXES if len({row.setting.get(axis) for row in rows} - {None}) > 1), None)
    if axis is None:
        return []
    ways = sorted({row.setting.get("ways") for row in rows}, key=repr)
    made = []
    for way in ways:
        lines = list(_lines([row for row in rows if row.setting.get("ways") == way], axis, table.columns))
        if any(len(line.points) > 1 for line in lines):
            lines = [line for line in lines if len(line.points) > 1 or line.column.kind == "paper"]
            made.append(Panel(f"{way}-way" if len(ways) > 1 else "", axis, lines))
    return made


def _lines(rows: Sequence[Row], axis: str, columns: Sequence[Column]) -> Iterator[Line]:
    rest = {id(row): {k: v for k, v in row.setting.items() if k not in (axis, "ways")} for row in rows}
    kinds = [kind for n, kind in enumerate(rest.values()) if kind not in list(rest.values())[:n]]
    # Zero-shot settings do not say how demonstrations are chosen: their point is part of every line that agrees in the
    # other keys.
    kinds = [kind for kind in kinds if not any(kind.items() < other.items() for other in kinds)]
    for column in columns:
        drawn: list[list[tuple[float, Cell]]] = []
        for number, kind in enumerate(kinds):
            points = [
                (float(row.setting[axis]), row.cells[column])
                for row in rows
                if axis in row.setting
                and rest[id(row)].items() <= kind.items()
                and column in row.cells
                and row.cells[column].mean is not None
            ]
            if points and (column.kind == "run" or points not in drawn):
                drawn.append(points)
                alike = {k: v for k, v in kind.items() if all(other.get(k) == v for other in kinds)}
                detail = words(kind, alike) if column.kind != "baseline" else ""
                yield Line(column, number, f"{column}: {detail}" if detail else str(column), points)


def plots_of(table: Table) -> list[Plot]:
    """Returns the plots of a benchmark's table."""
    return [
        Plot(
            axis := AXES[panel.axis],
            f"{', '.join(filter(None, (table.benchmark, panel.title)))}: {table.main} against {axis}",
            partial(_figure, panel, table.main),
        )
        for panel in panels(table)
    ]


def cost_plot(worth: Worth) -> Plot:
    """Returns the plot of a score against trained parameters, with axes for each evaluation."""
    return Plot("cost", worth.main, partial(_scatter, worth))


def _figure(panel: Panel, score: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.2 + 0.24 * len(panel.lines)), layout="constrained")
    axes = figure.subplots()
    steps = sorted({x for line in panel.lines for x, _ in line.points})  # equidistant ticks: 0, 1, 2, 4, 8
    run_lines = [line for line in panel.lines if line.column.kind == "run"]
    runs = list(dict.fromkeys(line.column for line in run_lines))
    papers = [line for line in panel.lines if line.column.kind == "paper"]
    spacing = min(3.0, 20 / max(1, len(run_lines)))  # between lines at one x, in points (1/72 inch)
    handles = []
    for line in panel.lines:
        style: dict[str, Any] = {"color": INK, "alpha": 0.6, "linewidth": 1}
        shift = 0.0
        if line.column.kind == "baseline":
            style |= {"linestyle": "--" if line.column.name == "chance" else ":"}
        elif line.column.kind == "paper":
            style |= {"marker": MARKERS[papers.index(line) % len(MARKERS)], "linestyle": ""}
            style |= {"markerfacecolor": "none", "markersize": 7, "alpha": 0.75}
        else:
            shift = spacing * (run_lines.index(line) - (len(run_lines) - 1) / 2)
            style = {
                **look(runs.index(line.column)),
                "linestyle": DASHES[line.kind % len(DASHES)],
                "markersize": 5,
            }
        label = line.label if len(line.label) <= LABEL else line.label[: LABEL - 1] + "…"
        x = [float(steps.index(value)) for value, _ in line.points]
        handles.append(draw_cells(axes, x, [cell for _, cell in line.points], shift, label=label, **style))
    axes.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
    axes.set(xlabel=AXES[panel.axis], ylabel=score, title=panel.title)
    show_legend(figure, handles)
    return figure


def _scatter(worth: Worth) -> Any:
    from matplotlib.figure import Figure

    points = worth.points
    figure = Figure(figsize=(7.2, 3.6 * len(points)), layout="constrained")
    for axes, (row, known) in zip(figure.subplots(len(points), squeeze=False)[:, 0], points, strict=True):
        count_axis(axes, SIZE)
        axes.set_ylabel(row.score)
        # Best first, which is the order of the legend.
        for column, size, cell in sorted(known, key=lambda point: -(point[2].mean or 0.0)):
            style = look(worth.columns.index(column))
            draw_cells(axes, [size], [cell], label=str(column), linestyle="", **style)
        sizes = [size for _, size, _ in known]
        axes.set_xlim(min(sizes) / 2, max(sizes) * 2)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
