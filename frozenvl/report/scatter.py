"""A score against the number of trained parameters, as a figure."""

from __future__ import annotations

from typing import Any

from frozenvl.report.cost_table import SIZE, Worth
from frozenvl.report.curves import INK, look


def scatter(worth: Worth) -> Any:
    """A plot for each evaluation, one below the other; a run has its colour and sign in all."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    points = worth.points
    figure = Figure(figsize=(7.2, 3.6 * len(points)), layout="constrained")
    for axes, (row, known) in zip(figure.subplots(len(points), squeeze=False)[:, 0], points, strict=True):
        for column, size, cell in sorted(known, key=lambda point: -(point[2].mean or 0.0)):  # as the legend
            mean, place = cell.mean or 0.0, worth.columns.index(column)
            low, high = (mean if end is None else end for end in (cell.low, cell.high))
            axes.errorbar(
                [size],
                [mean],
                [[max(0.0, mean - low)], [max(0.0, high - mean)]],
                **look(place),
                markersize=6,
                elinewidth=1,
                linestyle="",
                label=str(column),
            )
        axes.set(xscale="log", xlabel=SIZE, ylabel=row.score)
        sizes = [size for _, size, _ in known]
        axes.set_xlim(min(sizes) / 2, max(sizes) * 2)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
        axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
    return figure
