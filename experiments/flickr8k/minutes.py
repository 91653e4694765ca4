"""Draws CIDEr on the 200 images that are captioned while fitting, against minutes since the command: `minutes.py`.

Minutes are those of the whole run (seconds.txt), divided as if all its steps had taken as long.
"""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

here = Path(__file__).parent
figure = Figure(figsize=(6, 4), layout="constrained")
axes = figure.subplots()
for seconds in sorted(here.glob("*/seconds.txt")):
    if seconds.parent.name.endswith("-blind"):
        continue  # its minutes are those of a machine that others used
    minutes = float(seconds.read_text().split()[-2]) / 60
    rows = list(map(json.loads, (seconds.parent / "history.jsonl").read_text().splitlines()))
    scores = [(row["step"], row["captions/CIDEr"]) for row in rows if "captions/CIDEr" in row]
    points = [(0.0, 0.0), *((step / rows[-1]["step"] * minutes, score) for step, score in scores)]
    axes.plot(*zip(*points, strict=True), marker=".", label=seconds.parent.name)
axes.set(
    xlabel="minutes since the command", ylabel="CIDEr, 200 validation images", xlim=(0, None), ylim=(0, None)
)
axes.legend()
figure.savefig(here / "minutes.png", dpi=100)
