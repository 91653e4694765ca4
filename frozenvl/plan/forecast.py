"""The plan of a fit: what is counted and measured for one device, put together for many."""

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
"""Bytes of a weight."""

HEAP = 1.35
"""What the C library's allocator takes for what is asked of it, told as it is to keep what was freed: 1.2 to 1.5 in the
fits of docs/planning.md. A GPU's memory is managed otherwise."""


@dataclass(frozen=True)
class Device:
    """What is known of a device, and of the network between them.

    Args:
        bandwidth: bytes a second that it sends, and receives, at a time.
        peak: operations a second of matrix products; None has steps measured on this machine.
        share: of the peak, that training reaches.
        memory_bandwidth: bytes a second that it reads of its own memory.
    """

    bandwidth: float
    peak: float | None = None
    share: float = 1.0
    memory_bandwidth: float = float("inf")

    def seconds(self, operations: float, weights: int) -> float:
        """Of a pass through a model and back: however few positions it has, weights are read on either way."""
        assert self.peak is not None
        return max(operations / (self.peak * self.share), 2 * weights / self.memory_bandwidth)


class Forecast:
    """What a fit takes.

    Args:
        planned: the fit.
        device: that it is to run on.
    """

    def __init__(self, planned: Planned, device: Device) -> None:
        self.planned, self.device = planned, device
        planned.batches(1)  # now there is what a process of a fit holds beside its model
        self.process = peak_memory()["peak_memory_gb"] * 1e9 if device.peak is None else 0.0
        """Bytes; of another device, whose memory holds no process, none."""
        self.outline = Outline(planned.outlined.model)
        self.weights = self._weights()
        self.positions = self.targets = 0.0
        """Of a pair, on average."""
        self.measured = 0
        """Layers of the language model that were measured."""

    @property
    def loading(self) -> int:
        """Bytes of the language model while it is loaded."""
        return 4 * sum(weight.numel() for weight in self.outline.model.language.parameters())

    def _weights(self) -> Weights:
        """Bytes of the weights, as training holds them."""
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
        """One a strategy; of one device, one.

        Raises:
            UserError: where a batch cannot be divided among so many.
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
        """A micro-batch on a device: of usual length for its time, the longest for its memory."""
        ordered = sorted(batches, key=positions)
        usual, longest = ordered[len(ordered) // 2], ordered[-1]
        step = self.outline.step(usual)
        most = step if positions(longest) == positions(usual) else self.outline.step(longest)
        if self.device.peak is None:
            seconds, self.measured = measured(self.planned, usual)
            seconds += reading(self.planned, len(usual))
        else:
            seconds = self.device.seconds(step.operations, self.weights.frozen + self.weights.trained)
        heap = HEAP if self.device.peak is None else 1.0
        return Micro(step.operations, seconds, int(heap * most.working))


def positions(batch: Batch) -> int:
    return int(batch.lengths.sum())


def lengths(batches: Sequence[Batch]) -> tuple[float, float]:
    """Positions and target tokens of a pair."""
    pairs = sum(map(len, batches))
    targets = sum(int((batch.labels != IGNORE).sum()) for batch in batches)
    return sum(map(positions, batches)) / pairs, targets / pairs
