"""Draws CIDEr on the 200 images that are captioned while fitting, against minutes since the command: `minutes.py`."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure

here = Path(__file__).parent
runs: dict[str, list[tuple[float, float]]] = defaultdict(lambda: [(0.0, 0.0)])
with (here / "minutes.csv").open() as file:
    for row in csv.DictReader(file):
        runs[row["run"]].append((float(row["minutes"]), float(row["CIDEr"])))
figure = Figure(figsize=(6, 4), layout="constrained")
axes = figure.subplots()
for name, points in runs.items():
    axes.plot(*zip(*points, strict=True), marker=".", label=name)
axes.set(
    xlabel="minutes since the command", ylabel="CIDEr, 200 validation images", xlim=(0, None), ylim=(0, None)
)
axes.legend()
figure.savefig(here / "minutes.png", dpi=100)
