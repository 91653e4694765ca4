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
    """Of one layer of the language model, trained or not."""
    outside: int
    """Of all that stands outside of these layers."""

    @property
    def all(self) -> int:
        return self.frozen + self.trained


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
    With FSDP all weights and what goes with them are dealt out; each device gathers a layer and the one after it, and
    what stands outside of layers for the whole pass, once on the way forward and once on the way back; gradients are
    summed to where their weights are.

    Args:
        pairs: of an optimiser step.
        accumulated: micro-batches of it, on each device.
        bandwidth: bytes a second that a device sends, and receives, at a time.
        process: bytes of a process before it has a model.
        steps: of the whole fit.
    """
    others = (devices - 1) / devices
    kept = weights.trained + weights.gradients + weights.state
    if strategy == "DDP":
        frozen, trained, gathered = float(weights.frozen), float(kept), 0.0
        sent = 2 * others * weights.gradients
    else:
        frozen, trained = weights.frozen / devices, kept / devices
        gathered = others * min(weights.all, 2 * weights.layer + weights.outside)
        sent = others * (2 * accumulated * weights.all + weights.gradients)
    return Row(
        strategy,
        devices,
        pairs,
        frozen,
        trained,
        gathered,
        micro.working,
        process,
        accumulated * micro.operations,
        accumulated * micro.seconds,
        sent / bandwidth,
        steps,
    )
