"""`Sampled`: methods that ask for the values of random sets of cells, once for each of several seeds."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch

from frozenvl.analysis.baselines import Baseline
from frozenvl.analysis.masking import Masking
from frozenvl.analysis.method import Maps, Method, Progress, silent
from frozenvl.analysis.target import IMAGES_PER_PASS, Level, TargetFunction
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from


class Sampled(Method):
    """Base class of methods that draw sets of cells. The map is the mean over seeds; its spread is reported.

    Args:
        samples: number of samples for each seed; by default the method's `default_samples`.
        seeds: number of seeds.
        grid: number of cells per side of the encoder's square; by default 7 at level `pixel`, else the vectors' own.
        level: what is replaced: pixels, features (`cell`) or prefix vectors (`prefix`).
        baseline: image that stands for "nothing there".
    """

    default_samples: ClassVar[int]

    def __init__(
        self,
        samples: int | None = None,
        seeds: int = 3,
        grid: int | None = None,
        level: Level = "pixel",
        baseline: Baseline = "mean",
    ) -> None:
        samples = self.default_samples if samples is None else samples
        if samples < 1 or seeds < 1:
            raise UserError(f"samples is {samples} and seeds {seeds}; both are at least 1")
        self.samples, self.seeds = samples, seeds
        self.grid, self.level, self.baseline = grid, level, baseline

    @abstractmethod
    def estimator(self, values: Masking) -> Any:
        """Returns captum's attribution method for a function from masks (N, cells) to values (N, targets).

        It draws from torch's generator.
        """

    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        values = Masking(function, self.grid, self.level, self.baseline)
        value, at_baseline = values.ends()
        shown, estimator = torch.ones(1, values.cells), self.estimator(values)
        targets = len(function.names)
        made = torch.zeros(self.seeds, targets, values.cells)
        for seed in range(self.seeds):
            for target in range(targets):
                # The same sets for each value: `Masking` computes them once.
                with torch.random.fork_rng([]):
                    torch.manual_seed(seed_from(self.name, seed))
                    made[seed, target] = estimator.attribute(
                        shown,
                        baselines=torch.zeros_like(shown),
                        target=target,
                        n_samples=self.samples,
                        perturbations_per_eval=IMAGES_PER_PASS,
                    )[0]
                progress(seed * targets + target + 1, self.seeds * targets)
        made = made.unflatten(-1, (values.side, values.side))
        settings = {"samples": self.samples, "seeds": self.seeds, "level": self.level}
        return Maps(
            values=made.mean(0),
            names=function.names,
            method=self.name,
            settings={"grid": values.side, **settings},
            baseline=self.baseline,
            value=value,
            value_at_baseline=at_baseline,
            spread=made.std(0) if self.seeds > 1 else None,
        )
