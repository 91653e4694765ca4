"""Extrapolates a step on one device to memory, seconds and hours on many, with DDP or FSDP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Strategy: TypeAlias = Literal["DDP", "FSDP"]


@dataclass(frozen=True)
class Weights:
    """Bytes of a model's weights, of gradients and of optimiser state, on one device with DDP."""

    frozen: int
    trained: int
    gradients: int
    state: int
    """Bytes of optimiser state."""
    layer: int
    """Frozen bytes of one language model layer."""
    layers: int
    """Frozen bytes of all language model layers."""


@dataclass(frozen=True)
class Micro:
    """Cost of the forward and backward pass of one device's micro-batch."""

    operations: float
    seconds: float
    working: int
    """Peak bytes of activations and temporaries (all but weights, gradients and optimiser state)."""


@dataclass(frozen=True)
class Row:
    """Forecast for a number of devices. Bytes are per device; seconds are per optimiser step."""

    strategy: Strategy
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


def plan(
    strategy: Strategy,
    devices: int,
    pairs: int,
    accumulated: int,
    weights: Weights,
    micro: Micro,
    bandwidth: float,
    process: float = 0.0,
    steps: int | None = None,
) -> Row:
    """Forecasts a fit on a number of devices.

    With DDP each device holds everything; a ring all-reduce sums the gradients of the trained weights.
    With FSDP (`model.shard`) the frozen weights of the language model's layers are sharded. Each device gathers the
    current and the next layer, once in the forward and once in the backward pass. All else is as with DDP.

    Args:
        strategy: DDP or FSDP.
        devices: number of devices.
        pairs: pairs per optimiser step.
        accumulated: micro-batches per optimiser step on each device.
        weights: bytes of the model on one device with DDP.
        micro: cost of one device's micro-batch.
        bandwidth: bytes per second that a device sends and, at the same time, receives.
        process: bytes of the process without a model.
        steps: optimiser steps of the whole fit.
    """
    others_share = (devices - 1) / devices
    trained = weights.trained + weights.gradients + weights.state
    frozen, gathered, sent = float(weights.frozen), 0.0, 2 * others_share * weights.gradients
    if strategy == "FSDP":
        frozen -= others_share * weights.layers
        gathered = others_share * min(weights.layers, 2 * weights.layer)
        sent += others_share * 2 * accumulated * weights.layers
    return Row(
        strategy,
        devices,
        pairs,
        frozen,
        float(trained),
        gathered,
        micro.working,
        process,
        accumulated * micro.operations,
        accumulated * micro.seconds,
        sent / bandwidth,
        steps,
    )
