"""One support set for all queries."""

from __future__ import annotations

from collections.abc import Callable

from frozenvl.data.episodes.demonstrations import Demonstrations, pick
from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example


class Fixed(Demonstrations):
    """One support set for all queries, about images that no query asks about: its keys and values are computed once."""

    mode = "fixed"
    shared = True

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        self._asked = set(queries.image_ids() or (queries[i].image_id for i in range(len(queries))))
        self._drawn: dict[tuple[int, int], list[Example]] = {}

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        if (shots, seed) not in self._drawn:
            order = Permutation(len(pool), "support", seed)
            apart = lambda other: other.image_id not in self._asked
            self._drawn[shots, seed] = pick(order, pool, shots, apart, "about other images")
        return self._drawn[shots, seed]
