"""Random demonstrations: other pairs of the source in training, examples of a pool in evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random
from typing import Literal

from frozenvl.data.episodes.demonstrations import Demonstrations, pick
from frozenvl.data.episodes.support import Draw, Drawn, Number, Support, span
from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Shots(Support):
    """Random demonstrations from the same source: k-shot questions, captions or names in training.

    Args:
        shots: number of demonstrations; or the lowest and the highest number.
        learned: "all": the loss is on the answers of demonstrations and query; "last": on the query's answer only.
        same_image: true to allow several demonstrations about one image, and about the query's image.
    """

    def __init__(
        self, shots: Number, learned: Literal["all", "last"] = "all", same_image: bool = False
    ) -> None:
        self.shots, self.learned, self.same_image = span("shots", shots, 0), learned, same_image

    def bind(self, source: Source) -> Draw:
        if (highest := self.shots[1]) and highest >= source.pairs:
            raise UserError(
                f"{highest} shots, but their source has only {source.pairs} pairs, the query's among them"
            )
        return partial(self._episode, source)

    def _episode(
        self, source: Source, pair: int, query: Example, others: Iterable[int], draw: Random
    ) -> Drawn:
        number = draw.randint(*self.shots)
        shots = list(islice(self._candidates(source, pair, query, others), number))
        if len(shots) < number:
            raise UserError(
                f"{number} shots before {query.id}, but only {len(shots)} others are about images of their own; "
                "ask for fewer, or set same_image"
            )
        return Drawn(shots, query, range(number if self.learned == "all" else 0))

    def _candidates(
        self, source: Source, pair: int, query: Example, others: Iterable[int]
    ) -> Iterator[Example]:
        """Yields the suitable examples among `others`, each with the one target text of its pair."""
        used_images = {query.image_id}
        for other in others:
            index, text = source.pair(other)
            example = source[index]
            if other != pair and (self.same_image or example.image_id not in used_images):
                used_images.add(example.image_id)
                yield replace(example, references=(example.targets[text],))


class PerQuestion(Demonstrations):
    """Random demonstrations for each query, seeded by hash(seed, query id). None shares the query's image."""

    mode = "per_question"

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        order = Permutation(len(pool), "demonstrations", seed, query.id)
        return pick(order, pool, shots, lambda example: example.image_id != query.image_id, f"for {query.id}")
