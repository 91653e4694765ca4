"""Demonstrations at random: other pairs of the source in training, examples of a pool in evaluation."""

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
    """Other pairs of the source, at random: k-shot questions, captions, names.

    Args:
        shots: how many.
        learned: whether the loss is on all answers of an episode or on the last alone, the query's.
        same_image: whether images may stand more than once, as where several questions are about one.
    """

    def __init__(
        self, shots: Number, learned: Literal["all", "last"] = "all", same_image: bool = False
    ) -> None:
        self.shots, self.learned, self.same_image = span("shots", shots, 0), learned, same_image

    def bind(self, source: Source) -> Draw:
        if (most := self.shots[1]) and most >= source.pairs:
            raise UserError(
                f"{most} shots, but their source has only {source.pairs} pairs, the query's among them"
            )
        return partial(self._episode, source)

    def _episode(
        self, source: Source, pair: int, query: Example, others: Iterable[int], draw: Random
    ) -> Drawn:
        number = draw.randint(*self.shots)
        shots = list(islice(self._fitting(source, pair, query, others), number))
        if len(shots) < number:
            raise UserError(
                f"{number} shots before {query.id}, but only {len(shots)} others are about images of their own; "
                "ask for fewer, or set same_image"
            )
        return Drawn(shots, query, range(number if self.learned == "all" else 0))

    def _fitting(self, source: Source, pair: int, query: Example, others: Iterable[int]) -> Iterator[Example]:
        shown = {query.image_id}
        for other in others:
            index, text = source.pair(other)
            example = source[index]
            if other != pair and (self.same_image or example.image_id not in shown):
                shown.add(example.image_id)
                yield replace(example, references=(example.targets[text],))


class PerQuestion(Demonstrations):
    """At random for each query, from hash(seed, query's id)."""

    mode = "per_question"

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        order = Permutation(len(pool), "demonstrations", seed, query.id)
        return pick(order, pool, shots, lambda other: other.image_id != query.image_id, f"for {query.id}")
