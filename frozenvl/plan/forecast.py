"""The forecast of a fit: counts and measures a step on one device, and extrapolates to many, with DDP or FSDP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.plan.fit_spec import Planned
from frozenvl.plan.timing import TURNS, Pieces, reading
from frozenvl.plan.trace import Outline, Step, size
from frozenvl.training.callbacks.cost import peak_memory
from frozenvl.util.errors import UserError

QUANTIZED = {"int8": 1.0, "nf4": 0.5}
"""Bytes per weight of a quantised language model."""

HEAP = 1.35
"""Memory that the C library's allocator holds, relative to what is asked of it: 1.2 to 1.5 in the fits of
docs/planning.md, which kept freed memory. Not used for GPUs."""


@dataclass(frozen=True)
class Device:
    """Speed of a device and of the network between devices.

    Args:
        bandwidth: bytes per second that a device sends and, at the same time, receives.
        peak: operations per second of matrix products; None measures steps on this machine.
        share: share of the peak that training reaches.
        memory_bandwidth: bytes per second that a device reads from its own memory.
    """

    bandwidth: float
    peak: float | None = None
    share: float = 1.0
    memory_bandwidth: float = float("inf")

    def seconds(self, operations: float, weights: int) -> float:
        """Returns the seconds of a forward and backward pass, at least the time to read all `weights` (bytes) twice."""
        assert self.peak is not None
        return max(operations / (self.peak * self.share), 2 * weights / self.memory_bandwidth)


@dataclass(frozen=True)
class Row:
    """Forecast for a number of devices. Bytes are per device; seconds are per optimiser step."""

    strategy: str
    """DDP or FSDP."""
    devices: int
    pairs: int
    """Pairs per optimiser step, over all devices."""
    frozen: float
    """Bytes of frozen weights."""
    trained: float
    """Bytes of trained weights, gradients and optimiser state."""
    gathered: float
    """Bytes of other devices' layers, gathered temporarily."""
    working: float
    """Bytes of activations and temporaries."""
    process: float
    """Bytes of the process itself: imports and data."""
    operations: float
    """Operations per optimiser step on one device."""
    computing: float
    """Seconds of arithmetic."""
    communicating: float
    """Seconds of communication."""
    steps: int | None
    """Optimiser steps of the whole fit, if known."""

    @property
    def memory(self) -> float:
        """Peak bytes on a device."""
        return self.frozen + self.trained + self.gathered + self.working + self.process

    @property
    def seconds(self) -> float:
        """Seconds per optimiser step, if communication and arithmetic do not overlap."""
        return self.computing + self.communicating

    @property
    def share(self) -> float:
        """Share of the step spent in communication."""
        return self.communicating / self.seconds

    @property
    def rate(self) -> float:
        """Pairs per second, over all devices."""
        return self.pairs / self.seconds

    @property
    def hours(self) -> float | None:
        """Hours of the whole fit, or None if its number of steps is not known."""
        return None if self.steps is None else self.steps * self.seconds / 3600


class Weights(NamedTuple):
    """Bytes of a model on one device with DDP."""

    frozen: int
    trained: int
    """Bytes of trained weights, and also of their gradients."""
    state: int
    """Bytes of optimiser state."""
    layer: int
    """Frozen bytes of one language model layer."""
    layers: int
    """Frozen bytes of all language model layers."""


class Forecast:
    """Forecast of a fit's memory and time.

    Args:
        planned: fit to forecast.
        device: device to run on.
    """

    def __init__(self, planned: Planned, device: Device) -> None:
        self.planned, self.device = planned, device
        planned.batches(1)  # loads imports and data, so that the peak includes them, but no model
        self.process = peak_memory()["peak_memory_gb"] * 1e9 if device.peak is None else 0.0
        """Bytes of the process on this machine; 0 for another device, whose memory does not hold it."""
        self.outline = Outline(planned.outlined.model)
        self.weights = self._weights()
        self.positions = self.targets = 0.0
        """Mean number of positions, and of target tokens, per pair."""
        self.measured = 0
        """Number of language model layers that were measured."""

    @property
    def loading(self) -> int:
        """Peak bytes while the language model is loaded, in fp32."""
        return 4 * sum(weight.numel() for weight in self.outline.model.language.parameters())

    def _weights(self) -> Weights:
        """Returns the bytes of weights and optimiser state in training."""
        model = self.outline.model
        trained = size(self.outline.trained)
        frozen = float(size((*model.parameters(), *model.buffers()))) - trained
        layers = model.language.layers
        layer = float(size(weight for weight in layers[0].parameters() if not weight.requires_grad))
        if quantization := self.planned.settings["quantization"]:
            body, _ = model.language.weights
            saved = (next(layers.parameters()).element_size() - QUANTIZED[quantization]) * body
            frozen, layer = frozen - saved, layer - saved / len(layers)
        state = self.outline.state(self.planned.outlined.make_optimizer)
        return Weights(int(frozen), trained, state, int(layer), int(layer * len(layers)))

    def rows(self, devices: int) -> list[Row]:
        """Returns a row for DDP and, with several devices, one for FSDP.

        Raises:
            UserError: if the batch has fewer pairs than there are devices × accumulated micro-batches.
        """
        planned, parts = self.planned, devices * self.planned.accumulated
        if planned.batch_size < parts:
            raise UserError(
                f"data.batch_size is {planned.batch_size}, the pairs of a whole optimiser step, but it is divided "
                f"among {devices} devices × {planned.accumulated} accumulated batches; give a larger one: "
                f"--data.batch_size {parts}"
            )
        batches = planned.batches(-(-planned.batch_size // parts))
        pairs = sum(len(batch.samples) for batch in batches)
        self.positions = sum(map(positions, batches)) / pairs
        self.targets = sum(map(targets, batches)) / pairs
        step = self.step(batches)
        strategies = ("DDP", "FSDP") if devices > 1 else ("DDP",)
        return [self.row(strategy, devices, step) for strategy in strategies]

    def row(self, strategy: str, devices: int, step: Step) -> Row:
        """Extrapolates to a number of devices.

        With DDP each device holds everything; a ring all-reduce sums the gradients of the trained weights.
        With FSDP (`model.shard`) the frozen weights of the language model's layers are sharded. Each device gathers
        the current and the next layer, once in the forward and once in the backward pass. All else is as with DDP.

        Args:
            strategy: DDP or FSDP.
            devices: number of devices.
            step: cost of one device's micro-batch.
        """
        weights, accumulated = self.weights, self.planned.accumulated
        others_share = (devices - 1) / devices
        frozen, gathered, sent = float(weights.frozen), 0.0, 2 * others_share * weights.trained
        if strategy == "FSDP":
            frozen -= others_share * weights.layers
            gathered = others_share * min(weights.layers, 2 * weights.layer)
            sent += others_share * 2 * accumulated * weights.layers
        return Row(
            strategy,
            devices,
            self.planned.batch_size,
            frozen,
            float(2 * weights.trained + weights.state),
            gathered,
            step.working,
            self.process,
            accumulated * step.operations,
            accumulated * step.seconds,
            sent / self.device.bandwidth,
            self.planned.steps,
        )

    def step(self, batches: Sequence[Batch]) -> Step:
        """Returns the cost of a micro-batch: time and operations of the median length, memory of the longest."""
        ordered = sorted(batches, key=positions)
        batch, longest = ordered[len(ordered) // 2], ordered[-1]
        step = self.outline.step(batch)
        largest = step if positions(longest) == positions(batch) else self.outline.step(longest)
        if self.device.peak is not None:
            seconds = self.device.seconds(step.operations, self.weights.frozen + self.weights.trained)
            return step._replace(working=largest.working, seconds=seconds)
        pieces = Pieces(self.planned, batch)
        for _ in range(TURNS):
            pieces.turn()
        self.measured = pieces.some
        seconds = pieces.seconds + reading(self.planned, len(batch.samples))
        return step._replace(working=int(HEAP * largest.working), seconds=seconds)


def positions(batch: Batch) -> int:
    """Returns the number of real (non-padding) positions of a micro-batch, of all objectives' rows."""
    return sum(int(part.lengths.sum()) for part in batch.parts)


def targets(batch: Batch) -> int:
    """Returns the number of target tokens of a micro-batch, of all objectives' rows."""
    return sum(int((part.labels != IGNORE).sum()) for part in batch.parts)
