"""Occlusion: how much a value falls when a part of the image is replaced (Zeiler & Fergus 2014, arXiv:1311.2901)."""

from __future__ import annotations

import torch

from frozenvl.analysis.baselines import Baseline
from frozenvl.analysis.masking import Masking
from frozenvl.analysis.method import Maps, Method, Progress, silent
from frozenvl.analysis.target import IMAGES_PER_PASS, Level, TargetFunction
from frozenvl.util.errors import UserError


class Occlusion(Method):
    """Value of the image - value with a window of cells replaced by the baseline, in nats.

    A cell's value is the mean over the windows that cover it. All windows of an image are one batch.

    Args:
        grid: number of cells per side of the encoder's square; by default 7 at level `pixel`, else the vectors' own.
        window: side of the window in cells; it slides by one cell.
        level: what is replaced: pixels, features (`cell`) or prefix vectors (`prefix`).
        baseline: image that stands for "nothing there".
    """

    name = "occlusion"

    def __init__(
        self, grid: int | None = None, window: int = 1, level: Level = "pixel", baseline: Baseline = "mean"
    ) -> None:
        if window < 1:
            raise UserError(f"window is {window}; it is at least 1 cell")
        self.grid, self.window, self.level, self.baseline = grid, window, level, baseline

    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        values = Masking(function, self.grid, self.level, self.baseline)
        side, steps = values.side, values.side - self.window + 1
        if steps < 1:
            raise UserError(
                f"window is {self.window}, and the image has {side} cells a side; choose a smaller one"
            )
        covered = torch.zeros(steps, steps, side, side)
        for row in range(steps):
            for column in range(steps):
                covered[row, column, row : row + self.window, column : column + self.window] = 1
        covered = covered.flatten(0, 1)
        value, at_baseline = values.ends()
        falls = []
        for part in covered.split(IMAGES_PER_PASS):
            falls.append(value - values(1 - part))
            progress(sum(map(len, falls)), len(covered))
        sums = torch.einsum("nt,nrc->trc", torch.cat(falls), covered)
        return Maps(
            values=sums / covered.sum(0),
            names=function.names,
            method=self.name,
            settings={"grid": side, "window": self.window, "level": self.level},
            baseline=self.baseline,
            value=value,
            value_at_baseline=at_baseline,
        )
