"""The interface of supports: complete examples in front of a training sample, from the same source.

A draw depends on the pair, the pairs that it may be taken from, and a seed alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError

Number: TypeAlias = int | tuple[int, int]
"""A number; or the lowest and the highest, between which each episode draws its own."""


class Drawn(NamedTuple):
    """What is drawn for one pair, not yet worded."""

    shots: list[Example]
    query: Example
    learned: Sequence[int]
    """Places of the shots whose answers are trained on."""


Draw: TypeAlias = Callable[[int, Example, Iterable[int], Random], Drawn]
"""(pair, its example, the pairs that its support may be taken from, what else is random) → its episode."""


class Support(ABC):
    """How the support of a pair is drawn."""

    @abstractmethod
    def bind(self, source: Source) -> Draw:
        """How it is drawn from a source. Raises `UserError` where that cannot give it."""


def span(name: str, number: Number, least: int) -> tuple[int, int]:
    """The lowest and the highest. Raises `UserError` where there is none between them, or it is below the least."""
    lowest, highest = (number, number) if isinstance(number, int) else number
    if not least <= lowest <= highest:
        raise UserError(
            f"{name} is {number}; it is a number from {least}, or two of which the second is no less"
        )
    return lowest, highest
