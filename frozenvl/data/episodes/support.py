"""Interface of support sets: demonstrations in front of a training sample, from the same source.

A draw depends only on the pair, the pairs that it may use, and a seed.
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
"""A fixed number, or a range (lowest, highest) from which each episode draws its number."""


class Drawn(NamedTuple):
    """Episode drawn for one pair, before a template words it as a prompt."""

    shots: list[Example]
    query: Example
    learned: Sequence[int]
    """Indices of the shots whose answers are trained on."""


Draw: TypeAlias = Callable[[int, Example, Iterable[int], Random], Drawn]
"""Function (index of the pair, its example, indices of usable pairs, random generator) → episode."""


class Support(ABC):
    """Rule that draws the support set of a training pair."""

    @abstractmethod
    def bind(self, source: Source) -> Draw:
        """Returns a function that draws episodes from a source. Raises `UserError` if the source is too small."""


def span(name: str, number: Number, least: int) -> tuple[int, int]:
    """Returns a number or range as (lowest, highest). Raises `UserError` if it is empty or starts below `least`."""
    lowest, highest = (number, number) if isinstance(number, int) else number
    if not least <= lowest <= highest:
        raise UserError(
            f"{name} is {number}; it is a number from {least}, or two of which the second is no less"
        )
    return lowest, highest
