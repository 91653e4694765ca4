"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), by captum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from frozenvl.analysis.baselines import Baseline, baseline_inputs
from frozenvl.analysis.captum import captum_module
from frozenvl.analysis.masking import cells_at, sum_over_cells
from frozenvl.analysis.method import Maps, Method, Progress, silent
from frozenvl.analysis.target import Level, TargetFunction
from frozenvl.util.errors import UserError

STEPS = 8
"""Number of steps on each piece of the line. They are one pass, whose activations are kept for the gradient."""
PIECES = 4
"""Number of pieces that the line is cut into at first."""
ABSOLUTE = 1e-3
"""Gap in nats that is accepted whatever the values are."""


class IntegratedGradients(Method):
    """Gradient along the straight line from the baseline to the image, times their difference, summed over each cell.

    The attributions sum to f(image) - f(baseline) (completeness). The line is cut into pieces, and pieces whose
    attributions do not sum to the difference of their ends are halved until they do: behind norms (RMSNorm, LayerNorm)
    f may change steeply on a short piece, which equal steps miss.

    Args:
        grid: number of cells per side of the encoder's square; by default 7 at level `pixel`, else the vectors' own.
        level: what has attributions: pixels, features (`cell`) or prefix vectors (`prefix`).
        baseline: image that the line begins at.
        tolerance: largest sum of the gaps of all pieces, relative to f(image) - f(baseline).
        max_steps: largest number of steps for each value. Beyond it the gap stays, and is reported.
    """

    name = "integrated_gradients"

    def __init__(
        self,
        grid: int | None = None,
        level: Level = "pixel",
        baseline: Baseline = "mean",
        tolerance: float = 0.01,
        max_steps: int = 512,
    ) -> None:
        if max_steps < PIECES * STEPS or tolerance <= 0:
            raise UserError(
                f"max_steps is {max_steps} and tolerance {tolerance}; give at least {PIECES * STEPS} steps, and a "
                "tolerance above 0"
            )
        self.grid, self.level, self.baseline = grid, level, baseline
        self.tolerance, self.max_steps = tolerance, max_steps

    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        integrated = captum_module("attr").IntegratedGradients(lambda inputs: function(inputs, self.level))
        side, places = cells_at(function, self.grid, self.level)
        line = Line(
            function, self.level, baseline_inputs(function, self.baseline, self.level).float(), integrated
        )
        value, at_baseline = line.value(1.0), line.value(0.0)
        rows, steps, gaps, elsewhere = [], [], [], []
        targets = len(function.names)
        for target in range(targets):
            report = partial(self._report, progress, target, targets)
            attribution, count = self._attribution(line, target, report)
            cells, without_cell = sum_over_cells(attribution, side, places)
            rows.append(cells)
            elsewhere.append(without_cell)
            steps.append(count)
            gaps.append(float(attribution.sum() - (value - at_baseline)[target]))
        progress(targets * self.max_steps, targets * self.max_steps)
        settings = {"level": self.level, "tolerance": self.tolerance, "max_steps": self.max_steps}
        return Maps(
            values=torch.stack(rows),
            names=function.names,
            method=self.name,
            settings={"grid": side, **settings},
            baseline=self.baseline,
            value=value,
            value_at_baseline=at_baseline,
            facts={"steps": steps, "gap": gaps, "without_cell": elsewhere},
        )

    def _report(self, progress: Progress, target: int, targets: int, steps: int) -> None:
        progress(target * self.max_steps + steps, targets * self.max_steps)

    def _attribution(self, line: Line, target: int, report: Callable[[int], None]) -> tuple[Tensor, int]:
        """Returns the attribution (…) of a value, and the number of steps."""
        wanted = abs(float((line.value(1.0) - line.value(0.0))[target]))
        allowed = max(self.tolerance * wanted, ABSOLUTE)
        pieces = [(n / PIECES, (n + 1) / PIECES) for n in range(PIECES)]
        known = line.attributions(pieces, target)
        steps = PIECES * STEPS
        while True:
            report(steps)
            gaps = {piece: line.gap(piece, attribution, target) for piece, attribution in known.items()}
            ranked = sorted(gaps, key=lambda piece: -gaps[piece])
            halved: list[tuple[float, float]] = []
            rest = sum(gaps.values())
            # The pieces with the largest gaps are halved: as many as are needed, so that the others may stay.
            while rest > allowed / 2 and ranked and steps + (len(halved) + 1) * 2 * STEPS <= self.max_steps:
                halved.append(ranked.pop(0))
                rest -= gaps[halved[-1]]
            if sum(gaps.values()) <= allowed or not halved:
                return torch.stack(list(known.values())).sum(0), steps
            for piece in halved:
                del known[piece]
            known |= line.attributions(
                [half for a, b in halved for half in ((a, (a + b) / 2), ((a + b) / 2, b))], target
            )
            steps += len(halved) * 2 * STEPS


class Line:
    """Straight line from a baseline to the image.

    Args:
        function: target function.
        level: level of its inputs.
        baseline: (1, …) where the line begins.
        integrated: captum's `IntegratedGradients` of the function.
    """

    def __init__(self, function: TargetFunction, level: Level, baseline: Tensor, integrated: Any) -> None:
        self.function, self.level, self.integrated = function, level, integrated
        self.baseline, self.image = baseline, function.at(level).float()
        self._values: dict[float, Tensor] = {}

    def at(self, share: float) -> Tensor:
        """Returns the point (1, …) at a share of the way from the baseline to the image."""
        return self.baseline + share * (self.image - self.baseline)

    @torch.no_grad()
    def value(self, share: float) -> Tensor:
        """Returns the values (targets,) at a share of the way, on the CPU."""
        if share not in self._values:
            self._values[share] = self.function(self.at(share), self.level)[0].cpu()
        return self._values[share]

    def attributions(
        self, pieces: list[tuple[float, float]], target: int
    ) -> dict[tuple[float, float], Tensor]:
        """Returns the attribution (…) of a value on each piece, by Gauss-Legendre quadrature, on the CPU."""
        return {
            (begin, end): self.integrated.attribute(
                self.at(end), self.at(begin), target=target, n_steps=STEPS
            )[0]
            .detach()
            .float()
            .cpu()
            for begin, end in pieces
        }

    def gap(self, piece: tuple[float, float], attribution: Tensor, target: int) -> float:
        """Returns the distance of the sum of a piece's attribution from the difference of the values at its ends."""
        wanted = (self.value(piece[1]) - self.value(piece[0]))[target]
        return abs(float(attribution.sum() - wanted))
