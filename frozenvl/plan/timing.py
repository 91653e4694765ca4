"""Measures the time of a step on this machine with a few layers, and extrapolates linearly to all layers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import torch

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.objectives.step import loss_of_step
from frozenvl.plan.fit_spec import Planned
from frozenvl.training.module import FrozenModule

TURNS = 3
"""Number of measurements. The models take turns, because other processes may use the machine."""


class Pieces:
    """Timed steps of two models: the language model with one layer, and with a few more (`some`).

    Args:
        planned: fit to measure.
        batch: micro-batch with images on the meta device.
        clock: function that returns seconds.
    """

    def __init__(
        self, planned: Planned, batch: Batch, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.clock, self.layers = clock, planned.language.num_hidden_layers
        every = planned.outlined.model.fusion.every
        if every >= self.layers:  # one block, which one layer has, too
            every = 1
        # So the layers beyond the first have the same share of the fusion's blocks as those of the whole model.
        self.some = min(self.layers, 1 + every * math.ceil((enough(planned.outlined, batch) - 1) / every))
        self.batch = replace(batch, images=drawn(batch.images))
        self.steps = [self._steps(planned.module(count)) for count in sorted({1, self.some})]
        self.took: list[list[float]] = [[] for _ in self.steps]
        for steps in self.steps:
            next(steps)  # also allocates memory, so it does not count

    def _steps(self, module: FrozenModule) -> Iterator[float]:
        """Runs steps with the optimiser's update; yields the seconds of each."""
        optimizer = module.make_optimizer([p for p in module.parameters() if p.requires_grad])
        module.train()
        while True:
            start = self.clock()
            loss_of_step(module.objectives, module.model, self.batch).value.backward()
            optimizer.step()
            optimizer.zero_grad()
            yield self.clock() - start

    def turn(self) -> None:
        """Runs one step of each model, and stores its seconds."""
        for steps, took in zip(self.steps, self.took, strict=True):
            took.append(next(steps))

    @property
    def seconds(self) -> float:
        """Seconds of a step of the whole model."""
        first, last = median(self.took[0]), median(self.took[-1])
        per_layer = max(last - first, 0.0) / max(self.some - 1, 1)
        return first + per_layer * (self.layers - 1)


def enough(module: FrozenModule, batch: Batch) -> int:
    """Returns how many layers to measure, so that layers take clearly longer than the head (capped by the caller)."""
    body, head = module.model.language.weights
    head_operations = head * sum(int((part.labels != IGNORE).sum()) for part in batch.parts)
    positions = sum(int(part.lengths.sum()) for part in batch.parts)
    layer_operations = body / len(module.model.language.layers) * positions
    return 1 + max(1, math.ceil(2 * head_operations / layer_operations))


def drawn(images: torch.Tensor) -> torch.Tensor:
    """Returns random images of the given shape and dtype."""
    if images.dtype == torch.uint8:
        return torch.randint(0, 256, images.shape, dtype=images.dtype)
    return torch.randn(images.shape).to(images.dtype)


def reading(planned: Planned, size: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Returns the seconds to make a micro-batch, with image decoding if training needs pixels; 0 without data."""
    if (stream := planned.stream) is None:
        return 0.0
    pixels = planned.outlined.model.vision.reader(planned.data["scaled_decoding"])
    process = planned.processor(pixels if planned.stage == "pixels" else planned.unread)
    took = []
    for start in range(0, TURNS * size, size):
        begun = clock()
        process([stream[start + number] for number in range(size)])
        took.append(clock() - begun)
    return median(took)
