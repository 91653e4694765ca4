"""A fixed support set, the same for all queries."""

from __future__ import annotations

from collections.abc import Callable

from frozenvl.data.episodes.demonstrations import Demonstrations, pick
from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example


class Fixed(Demonstrations):
    """One support set for all queries, so that its KV cache is computed once. It shares no image with any query."""

    mode = "fixed"
    shared = True

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        self._query_images = set(queries.image_ids() or (queries[i].image_id for i in range(len(queries))))
        self._drawn: dict[tuple[int, int], list[Example]] = {}

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        if (shots, seed) not in self._drawn:
            order = Permutation(len(pool), "support", seed)
            allowed = lambda example: example.image_id not in self._query_images
            self._drawn[shots, seed] = pick(order, pool, shots, allowed, "about other images")
        return self._drawn[shots, seed]
