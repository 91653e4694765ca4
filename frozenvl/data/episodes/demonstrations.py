"""The interface of demonstrations: complete examples in front of a query that is evaluated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Demonstrations(ABC):
    """How the demonstrations of a query are chosen. Draws nest: the 2 are among the 4, next to the query."""

    mode: str
    shared: ClassVar[bool] = False
    """Whether all queries have the same demonstrations."""
    seeded: ClassVar[bool] = True
    """Whether another seed draws other demonstrations."""

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:  # noqa: B027
        """Called once before the first draw."""

    @abstractmethod
    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        """`shots` examples, the one next to the query last. Raises `UserError` where the pool holds too few."""

    def seeds(self, shots: int, seeds: Sequence[int]) -> Sequence[int]:
        """The seeds that make a difference, of those given."""
        return seeds if shots and self.seeded else seeds[:1]

    def provenance(self) -> dict[str, Any]:
        """What a score depends on beside the mode and the seed."""
        return {}


def pick(
    order: Iterable[int], pool: Source, shots: int, allowed: Callable[[Example], bool], what: str
) -> list[Example]:
    """The first `shots` examples of a pool in some order that have an answer and are allowed, the first one last.

    Raises:
        UserError: where there are fewer; `what` says of which kind.
    """
    fitting = (other for other in (pool[index] for index in order) if other.targets and allowed(other))
    chosen = list(islice(fitting, shots))
    if len(chosen) < shots:
        raise UserError(f"{shots} shots asked for, but the pool has only {len(chosen)} examples {what}")
    return chosen[::-1]
