"""From what a step takes on one device to memory, seconds and hours on many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Strategy: TypeAlias = Literal["DDP", "FSDP"]


@dataclass(frozen=True)
class Weights:
    """Bytes of a model's weights, and of what goes with those that are trained."""

    frozen: int
    trained: int
    gradients: int
    state: int
    """What the optimiser keeps."""
    layer: int
    """What is frozen of one layer of the language model."""
    layers: int
    """What is frozen of all of them."""


@dataclass(frozen=True)
class Micro:
    """A pass through the model and back for a device's micro-batch."""

    operations: float
    seconds: float
    working: int
    """Bytes held at a time beside the weights and what goes with them."""


@dataclass(frozen=True)
class Row:
    """A fit on so many devices; bytes are a device's, seconds an optimiser step's."""

    strategy: Strategy
    devices: int
    pairs: int
    """Of an optimiser step, over all devices."""
    frozen: float
    trained: float
    """Weights, their gradients and what the optimiser keeps."""
    gathered: float
    """Weights of others that are held for the moment."""
    working: float
    process: float
    operations: float
    """Of an optimiser step, on one device."""
    computing: float
    communicating: float
    steps: int | None

    @property
    def memory(self) -> float:
        return self.frozen + self.trained + self.gathered + self.working + self.process

    @property
    def seconds(self) -> float:
        """Of an optimiser step, none of whose communication hides behind arithmetic."""
        return self.computing + self.communicating

    @property
    def share(self) -> float:
        """Of a step that is spent in communication."""
        return self.communicating / self.seconds

    @property
    def rate(self) -> float:
        """Pairs a second, over all devices."""
        return self.pairs / self.seconds

    @property
    def hours(self) -> float | None:
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
    """A row of the plan.

    With DDP each device holds everything; gradients, which the trained weights alone have, are summed by a ring.
    With FSDP (`model.shard`) what is frozen of the language model's layers is dealt out; each device gathers a layer
    and the one after it, once on the way forward and once on the way back. All else is as with DDP.

    Args:
        pairs: of an optimiser step.
        accumulated: micro-batches of it, on each device.
        bandwidth: bytes a second that a device sends, and receives, at a time.
        process: bytes of a process before it has a model.
        steps: of the whole fit.
    """
    others = (devices - 1) / devices
    kept = weights.trained + weights.gradients + weights.state
    frozen, gathered, sent = float(weights.frozen), 0.0, 2 * others * weights.gradients
    if strategy == "FSDP":
        frozen -= others * weights.layers
        gathered = others * min(weights.layers, 2 * weights.layer)
        sent += others * 2 * accumulated * weights.layers
    return Row(
        strategy,
        devices,
        pairs,
        frozen,
        float(kept),
        gathered,
        micro.working,
        process,
        accumulated * micro.operations,
        accumulated * micro.seconds,
        sent / bandwidth,
        steps,
    )
