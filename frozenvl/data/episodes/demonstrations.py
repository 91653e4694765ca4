"""Interface of demonstrations: examples with answers in front of an evaluated query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Demonstrations(ABC):
    """Selection of few-shot demonstrations. Draws nest: the j demonstrations nearest the query are the j-shot draw."""

    mode: str
    """Name of the selection in settings and in score.json."""
    shared: ClassVar[bool] = False
    """True if all queries have the same demonstrations, so that their KV cache is computed once."""
    seeded: ClassVar[bool] = True
    """True if another seed draws other demonstrations."""

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:  # noqa: B027
        """Prepares the draws; called once before the first.

        Args:
            queries: source of the queries.
            pool: source that demonstrations are drawn from.
            progress: callback, called with the numbers (done, total) of images.
        """

    @abstractmethod
    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        """Draws `shots` examples in prompt order. Raises `UserError` if the pool has too few suitable ones."""

    def seeds(self, shots: int, seeds: Sequence[int]) -> Sequence[int]:
        """Returns the seeds to evaluate: only the first if the seed makes no difference."""
        return seeds if shots and self.seeded else seeds[:1]

    def provenance(self) -> dict[str, Any]:
        """Returns what else a score depends on, beside mode and seed, for score.json."""
        return {}


def pick(
    order: Iterable[int], pool: Source, shots: int, allowed: Callable[[Example], bool], what: str
) -> list[Example]:
    """Picks the first `shots` suitable examples of a pool. The first of them comes last, next to the query.

    Args:
        order: indices of the pool, in the order in which they are considered.
        pool: source that demonstrations are drawn from.
        shots: number of examples.
        allowed: predicate of suitable examples. Examples without an answer never are.
        what: description of suitable examples, for the error line.

    Raises:
        UserError: if the pool has fewer suitable examples.
    """
    suitable = (example for example in (pool[i] for i in order) if example.targets and allowed(example))
    chosen = list(islice(suitable, shots))
    if len(chosen) < shots:
        raise UserError(f"{shots} shots asked for, but the pool has only {len(chosen)} examples {what}")
    return chosen[::-1]
