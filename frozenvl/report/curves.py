"""Scores against the number of shots, as SVG that takes the page's text colour."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from frozenvl.report.cell import Cell
from frozenvl.report.labels import words
from frozenvl.report.tables import Column, Row, Table

AXES = {"shots": "shots", "inner_shots": "inner-shots", "repeats": "repeats"}
INK = "#010203"
"""Stands for the page's text colour until the SVG is made."""
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "frozenvl",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 11,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}
"""Of plots, for matplotlib."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = "os^DvPX"
DASHES = ("-", (0, (5, 2)), "-.", (0, (1, 1.5)))
LABEL = 56
"""Characters of a label in the legend."""


def look(place: int) -> dict[str, str]:
    """Colour and sign of the run at a place: of 49, no two alike."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)],
    }


@dataclass
class Line:
    """One line of a plot."""

    column: Column
    kind: int
    """Which of the settings that the column has lines of."""
    label: str
    points: list[tuple[float, Cell]] = field(default_factory=list)


@dataclass
class Panel:
    """One plot."""

    title: str
    axis: str
    lines: list[Line]


def panels(table: Table) -> list[Panel]:
    """A plot for each number of ways; none where nothing varies that has a number."""
    rows = [row for row in table.rows if row.score == table.main]
    axis = next((axis for axis in AXES if len({row.setting.get(axis) for row in rows} - {None}) > 1), None)
    if axis is None:
        return []
    ways = sorted({row.setting.get("ways") for row in rows}, key=repr)
    found = []
    for way in ways:
        lines = list(_lines([row for row in rows if row.setting.get("ways") == way], axis, table.columns))
        if any(len(line.points) > 1 for line in lines):
            lines = [line for line in lines if len(line.points) > 1 or line.column.kind == "paper"]
            found.append(Panel(f"{way}-way" if len(ways) > 1 else "", axis, lines))
    return found


def _lines(rows: Sequence[Row], axis: str, columns: Sequence[Column]) -> Iterator[Line]:
    rest = {id(row): {k: v for k, v in row.setting.items() if k not in (axis, "ways")} for row in rows}
    kinds = [kind for n, kind in enumerate(rest.values()) if kind not in list(rest.values())[:n]]
    # Without shots there is no way of drawing them: that point belongs to every line that agrees in the rest.
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
                told = words(kind, alike) if column.kind != "baseline" else ""
                yield Line(column, number, f"{column}: {told}" if told else str(column), points)


def draw(panel: Panel, score: str, number: int) -> str:
    """The plot as an <svg> element.

    Args:
        score: what is plotted.
        number: tells the ids of this element from those of others on the page.
    """
    return as_svg(lambda: _figure(panel, score), number)


def as_svg(draw: Callable[[], Any], number: int) -> str:
    """The figure that a function draws, as an <svg> element; `number` tells its ids from others' on the page."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        buffer = io.StringIO()
        draw().savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), number)


def as_file(draw: Callable[[], Any], kind: str) -> bytes:
    """The figure that a function draws, as the content of a `png` or `svg` file."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        buffer = io.BytesIO()
        draw().savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def _figure(panel: Panel, score: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.2 + 0.24 * len(panel.lines)), layout="constrained")
    axes = figure.subplots()
    handles = _plot(axes, panel)
    axes.set(xlabel=AXES[panel.axis], ylabel=score, title=panel.title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
    figure.legend(handles=handles, loc="outside lower left", frameon=False, fontsize=10, handlelength=3)
    return figure


def _plot(axes: Any, panel: Panel) -> list[Any]:
    """Draws the lines; returns them as they stand in the legend."""
    # One step from each number of shots to the next: 0, 1, 2, 4, 8 stand equally far apart.
    steps = sorted({x for line in panel.lines for x, _ in line.points})
    ours = [line for line in panel.lines if line.column.kind == "run"]
    runs = list(dict.fromkeys(line.column for line in ours))
    papers = [line for line in panel.lines if line.column.kind == "paper"]
    apart = min(0.06, 0.4 / max(1, len(ours)))  # between runs at the same number of shots, in steps
    handles = []
    for line in panel.lines:
        x = [float(steps.index(at)) for at, _ in line.points]
        y = [cell.mean for _, cell in line.points]
        label = line.label if len(line.label) <= LABEL else line.label[: LABEL - 1] + "…"
        if line.column.kind == "baseline":
            dashes = "--" if line.column.name == "chance" else ":"
            handles += axes.plot(x, y, linestyle=dashes, color=INK, alpha=0.6, linewidth=1, label=label)
        elif line.column.kind == "paper":
            marker = MARKERS[papers.index(line) % len(MARKERS)]
            style = {"markerfacecolor": "none", "markersize": 7, "color": INK, "alpha": 0.75}
            handles += axes.plot(x, y, marker, **style, label=label)
        else:
            run, shift = runs.index(line.column), apart * (ours.index(line) - (len(ours) - 1) / 2)
            bars = axes.errorbar(
                [at + shift for at in x],
                y,
                _bars(line),
                **look(run),
                linestyle=DASHES[line.kind % len(DASHES)],
                markersize=5,
                linewidth=1.6,
                elinewidth=1,
                label=label,
            )
            handles.append(bars)
    axes.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
    return handles


def _bars(line: Line) -> list[list[float]]:
    """How far each interval reaches below and above its mean."""
    bars: list[list[float]] = [[], []]
    for _, cell in line.points:
        mean = cell.mean or 0.0
        bars[0].append(max(0.0, mean - cell.low) if cell.low is not None else 0.0)
        bars[1].append(max(0.0, cell.high - mean) if cell.high is not None else 0.0)
    return bars


def _inline(svg: str, number: int) -> str:
    """Without the file's header, in the page's text colour, with ids of its own."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>c{number}-", svg)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r' height="[^"]*"', "", svg, count=1), count=1)
