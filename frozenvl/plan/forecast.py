"""The forecast of a fit: counts and measures a step on one device, and extrapolates to many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.plan.fit_spec import Planned
from frozenvl.plan.parallelism import Micro, Row, Strategy, Weights, plan
from frozenvl.plan.timing import measured, reading
from frozenvl.plan.trace import Outline, size
from frozenvl.training.callbacks.cost import peak_memory
from frozenvl.util.errors import UserError

QUANTIZED = {"int8": 1.0, "nf4": 0.5}
"""Bytes per weight of a quantised language model."""

HEAP = 1.35
"""Memory that the C library's allocator holds, relative to what is asked of it, if it keeps freed memory: 1.2 to 1.5 in
the fits of docs/planning.md. Not used for GPUs."""


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
        """Returns the seconds of a forward and backward pass, at least the time to read all weights twice.

        Args:
            operations: operations of both passes.
            weights: bytes of the model's weights.
        """
        assert self.peak is not None
        return max(operations / (self.peak * self.share), 2 * weights / self.memory_bandwidth)


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
        """Returns the bytes of weights, gradients and optimiser state in training."""
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
        return Weights(int(frozen), trained, trained, state, int(layer), int(layer * len(layers)))

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
        self.positions, self.targets = lengths(batches)
        micro = self.micro(batches)
        sizes = planned.batch_size, planned.accumulated, self.weights, micro
        rest = self.device.bandwidth, self.process, planned.steps
        return [
            plan(name, devices, *sizes, *rest) for name in (get_args(Strategy) if devices > 1 else ("DDP",))
        ]

    def micro(self, batches: Sequence[Batch]) -> Micro:
        """Returns the cost of a micro-batch: time and operations of the median length, memory of the longest."""
        ordered = sorted(batches, key=positions)
        median_batch, longest = ordered[len(ordered) // 2], ordered[-1]
        step = self.outline.step(median_batch)
        largest = step if positions(longest) == positions(median_batch) else self.outline.step(longest)
        if self.device.peak is None:
            seconds, self.measured = measured(self.planned, median_batch)
            seconds += reading(self.planned, len(median_batch))
        else:
            seconds = self.device.seconds(step.operations, self.weights.frozen + self.weights.trained)
        heap = HEAP if self.device.peak is None else 1.0
        return Micro(step.operations, seconds, int(heap * largest.working))


def positions(batch: Batch) -> int:
    """Returns the number of real (non-padding) positions."""
    return int(batch.lengths.sum())


def lengths(batches: Sequence[Batch]) -> tuple[float, float]:
    """Returns the mean number of positions, and of target tokens, per pair."""
    pairs = sum(map(len, batches))
    targets = sum(int((batch.labels != IGNORE).sum()) for batch in batches)
    return sum(map(positions, batches)) / pairs, targets / pairs
