"""Style of all plots in reports, and their output as SVG for a page or as a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frozenvl.report.cell import Cell
from frozenvl.util.figure_text import save_figure

INK = "#010203"
"""Placeholder that `Plot.svg` replaces by the page's text colour."""
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "frozenvl",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": INK,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "legend.handlelength": 3,
    "lines.linewidth": 1.6,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}
"""matplotlib settings of all plots."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = "os^DvPX"


@dataclass(frozen=True)
class Plot:
    """A figure that is drawn when it is written."""

    name: str
    """File name without its ending."""
    title: str
    """Description for screen readers."""
    draw: Callable[[], Any]
    """Function that makes the figure; called with `STYLE` in force."""

    def svg(self, number: int) -> str:
        """Returns an <svg> element in the page's text colour; `number` makes its ids unique on the page."""
        svg = self.file("svg", transparent=True).decode()
        svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
        svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>c{number}-", svg)
        return re.sub(r' (height|width)="[^"]*"', "", svg, count=2)  # those of the <svg> element itself

    def file(self, kind: str, transparent: bool = False) -> bytes:
        """Returns the content of a `png` or `svg` file."""
        import matplotlib

        with matplotlib.rc_context(STYLE):
            none = dict.fromkeys(("Date", "Creator", "Format", "Type")) if kind == "svg" else None
            return save_figure(self.draw(), format=kind, dpi=150, transparent=transparent, metadata=none)


def look(place: int) -> dict[str, Any]:
    """Returns colour and marker of run number `place`: different for each of the first 49 runs."""
    marker = MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]
    return {"color": COLOURS[place % len(COLOURS)], "marker": marker}


def draw_cells(axes: Any, x: Sequence[float], cells: Sequence[Cell], shift: float = 0.0, **style: Any) -> Any:
    """Draws means with their intervals as error bars.

    Args:
        axes: matplotlib axes.
        x: horizontal positions.
        cells: means and intervals, one per position.
        shift: offset to the right in points (1/72 inch), so that intervals at the same x do not hide each other.
        style: keywords of matplotlib's `errorbar`.

    Returns:
        The container of `errorbar`.
    """
    means, lows, highs = np.array([(cell.mean, cell.low, cell.high) for cell in cells], float).T
    reach = np.maximum([means - lows, highs - means], 0)  # NaN draws no bar: the cell has no interval
    bars = None if np.isnan(reach).all() else reach
    drawn = axes.errorbar(x, means, bars, elinewidth=1, **style)
    move(axes, drawn.get_children(), shift)
    return drawn


def move(axes: Any, drawn: Sequence[Any], shift: float) -> None:
    """Moves artists to the right by `shift` points; the limits of the axes stay the same."""
    from matplotlib.transforms import ScaledTranslation

    for artist in drawn:
        artist.set_transform(axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans))


def show_legend(figure: Any, handles: Sequence[Any]) -> None:
    """Adds a legend below the axes."""
    figure.legend(handles=handles, loc="outside lower left")


def count_axis(axes: Any, label: str) -> None:
    """Makes the horizontal axis logarithmic, with ticks such as 1k and 2M, for counts like trained parameters."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes.set(xscale="log", xlabel=label)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
