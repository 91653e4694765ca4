"""The style that all plots of reports share, and their output as SVG for a page or as a file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frozenvl.report.cell import Cell

INK = "#010203"
"""Stands for the page's text colour until the SVG is made."""
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
"""Settings of matplotlib."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
MARKERS = "os^DvPX"


@dataclass(frozen=True)
class Plot:
    """A figure with its file name, and its content in words."""

    name: str
    title: str
    draw: Callable[[], Any]
    """Makes the figure; called within `STYLE`."""

    def svg(self, number: int) -> str:
        """An <svg> element that takes the page's text colour; `number` makes its ids unique on the page."""
        svg = self.file("svg", transparent=True).decode()
        svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>c{number}-", svg)
        svg = re.sub(r' height="[^"]*"', "", svg, count=1)
        return re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)

    def file(self, kind: str, transparent: bool = False) -> bytes:
        """The content of a `png` or `svg` file."""
        import matplotlib

        with matplotlib.rc_context(STYLE):
            buffer = io.BytesIO()
            undated = {"Date": None, "Creator": None} if kind == "svg" else None
            self.draw().savefig(buffer, format=kind, dpi=150, transparent=transparent, metadata=undated)
        return buffer.getvalue()


def look(place: int) -> dict[str, Any]:
    """Colour and marker of the run at a place: different for each of the first 49 places."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)],
    }


def draw_cells(axes: Any, x: Sequence[float], cells: Sequence[Cell], shift: float = 0.0, **style: Any) -> Any:
    """Draws means with their intervals.

    Args:
        shift: points (1/72 inch) to the right, so that intervals at the same place do not hide each other.
        style: keywords of matplotlib's `errorbar`.
    """
    means, lows, highs = np.array([(cell.mean, cell.low, cell.high) for cell in cells], float).T
    reach = np.maximum([means - lows, highs - means], 0)  # NaN, and no bar, where a cell has no interval
    bars = None if np.isnan(reach).all() else reach
    drawn = axes.errorbar(x, means, bars, elinewidth=1, **style)
    move(axes, drawn.get_children(), shift)
    return drawn


def move(axes: Any, drawn: Sequence[Any], shift: float) -> None:
    """Moves what was drawn to the right by so many points; the axes' limits stay those of the data."""
    from matplotlib.transforms import ScaledTranslation

    for artist in drawn:
        artist.set_transform(axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans))


def show_legend(figure: Any, handles: Sequence[Any]) -> None:
    """A legend below the axes."""
    figure.legend(handles=handles, loc="outside lower left")


def count_axis(axes: Any, label: str) -> None:
    """Makes the horizontal axis one of large counts, such as trained parameters: logarithmic, with 1k, 2M, ..."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes.set(xscale="log", xlabel=label)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
