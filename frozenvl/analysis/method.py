"""`Method`, the interface of explanations, and `Maps`, what they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from frozenvl.analysis.target import TargetFunction

Progress = Callable[[int, int], None]
"""Function that is called with the amount of work done and the total."""


def silent(done: int, total: int) -> None:
    """Reports no progress."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Maps of an explanation: one for each value of a target function, on a grid of cells over the encoder's square.

    Shapes:
        values: (targets, rows, columns), fp32, on the CPU. Row 0 is the top of the image.
        spread: (targets, rows, columns) standard deviation over seeds; None if nothing is drawn at random.
    """

    values: Tensor
    names: tuple[str, ...]
    """Name of each map, such as a word."""
    method: str
    """Name of the method."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the method, plain data."""
    unit: str = "nats"
    """Unit of the maps."""
    baseline: str = ""
    """Name of the image that stands for "nothing there"; empty if the method has none."""
    value: Tensor | None = None
    """(targets,) values of the image as it is, in nats; None if the maps are not of values."""
    value_at_baseline: Tensor | None = None
    """(targets,) values of the baseline, in nats."""
    spread: Tensor | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What the method measured about itself, plain data, such as a completeness gap."""

    def record(self) -> dict[str, Any]:
        """Returns the maps as plain data, for JSON."""
        lists = lambda tensor: None if tensor is None else tensor.tolist()
        return {
            "method": self.method,
            "settings": self.settings,
            "baseline": self.baseline,
            "unit": self.unit,
            "names": list(self.names),
            "value": lists(self.value),
            "value_at_baseline": lists(self.value_at_baseline),
            "facts": self.facts,
            "values": lists(self.values),
            "spread": lists(self.spread),
        }

    @property
    def grid(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.values.shape[1], self.values.shape[2]


class Method(ABC):
    """A way to explain. Commands and YAML name it by its class path.

    A subclass takes its settings as keyword arguments, and implements `maps`.
    """

    name: ClassVar[str]
    """Short name, for tables and files."""

    @abstractmethod
    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        """Explains the values of a target function.

        Args:
            function: function from versions of the image to values.
            progress: function that is called with the number of model passes done and their total.

        Raises:
            UserError: if the method cannot explain this model or this target; the line names what can.
        """
