"""Figure of `tables.py`: cost against size, on logarithmic axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

PANELS = {"opening": "open", "scoring captions": "score captions", "scoring questions": "score vqa"}
"""Title of a panel → beginning of the names of its jobs."""
ROWS = {"CPU seconds": "cpu", "peak memory, MB": "peak"}
"""Label of an axis → measurement."""


@dataclass(frozen=True)
class Point:
    """A measurement of a job."""

    job: str
    """Name, such as "open vqa, later"."""
    checkout: str
    """Name of the other checkout; empty for this one."""
    entries: int
    """Number of questions or of images."""
    cpu: float
    """CPU seconds of all processes."""
    peak: float
    """Peak memory of all processes together in MB."""


def draw(path: Path, points: list[Point]) -> None:
    """Draws a panel for each kind of job and measurement. Those of another checkout are dashed."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(len(ROWS), len(PANELS), sharex=True, sharey="row")
    for row, (label, field) in zip(axes, ROWS.items(), strict=True):
        row[0].set_ylabel(label)
        for panel, beginning in zip(row, PANELS.values(), strict=True):
            _lines(panel, [point for point in points if point.job.startswith(beginning)], field, beginning)
    images, questions = "images with five captions", "questions with ten answers"
    names = (f"{questions}, or\n{images}", images, questions)
    for top, bottom, title, name in zip(*axes, PANELS, names, strict=True):
        top.set_title(title)
        top.legend(fontsize=8, loc="upper left")
        bottom.set_xlabel(name)
    figure.savefig(path, dpi=110)


def _lines(panel: Axes, points: list[Point], field: str, beginning: str) -> None:
    for number, job in enumerate(dict.fromkeys(point.job for point in points)):
        for checkout in sorted({point.checkout for point in points if point.job == job}):
            line = [(p.entries, getattr(p, field)) for p in points if (p.job, p.checkout) == (job, checkout)]
            what = job.removeprefix(beginning).strip().replace("vqa", "questions")
            label = ", ".join(filter(None, (what, checkout))) or "this version"
            style = {"color": f"C{number}", "linestyle": "--" if checkout else "-"}
            panel.plot(*zip(*line, strict=True), "o", markersize=4, label=label, **style)
    panel.set(xscale="log", yscale="log")
    panel.margins(y=0.1)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.grid(alpha=0.3)
