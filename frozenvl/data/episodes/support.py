"""The support of a training episode: complete examples that stand before its query, from the same source.

What is drawn depends on nothing but the pair, the pairs that it may be taken from, and a seed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random
from typing import Literal, NamedTuple, TypeAlias

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


class NewWords(Support):
    """New words for classes, other ones in each episode, bound by the support and asked for by the query (as in
    Frozen's Open-Ended miniImageNet). The source is one of labelled images, whose answers are their classes.

    Args:
        ways: classes in an episode, the query's among them.
        inner_shots: different support images of each class.
        learned: whether the loss is on all words that stood before in the episode, or on the last alone, the query's.
    """

    def __init__(
        self, ways: Number = 2, inner_shots: Number = 1, learned: Literal["all", "last"] = "all"
    ) -> None:
        self.ways, self.inner_shots = span("ways", ways, 2), span("inner_shots", inner_shots, 1)
        self.learned = learned

    def bind(self, source: Source) -> Draw:
        classes: dict[str, list[int]] = defaultdict(list)
        for index in range(len(source)):
            if answer := source[index].answer:
                classes[answer].append(index)
        if len(classes) < self.ways[1]:
            raise UserError(
                f"{self.ways[1]} ways, but their source has {len(classes)} classes; a class is the answer of its images"
            )
        needed = self.inner_shots[1] + 1
        smallest = min(classes, key=lambda name: len(classes[name]))
        if len(classes[smallest]) < needed:
            raise UserError(
                f"class {smallest!r} has {len(classes[smallest])} images, {needed} are needed with the query's; "
                "ask for fewer inner_shots, or leave it out"
            )
        return partial(self._episode, source, dict(classes))

    def _episode(
        self,
        source: Source,
        classes: dict[str, list[int]],
        pair: int,
        query: Example,
        _others: Iterable[int],
        draw: Random,
    ) -> Drawn:
        if not query.answer:
            raise UserError(f"{query.id} has no class, so no word can be bound to it; leave it out")
        asked, _ = source.pair(pair)
        ways, inner_shots = draw.randint(*self.ways), draw.randint(*self.inner_shots)
        names = [query.answer, *draw.sample([name for name in classes if name != query.answer], ways - 1)]
        words = dict(zip(names, new_words(draw, ways), strict=True))
        shots = [
            source[index]
            for name in names
            for index in draw.sample([index for index in classes[name] if index != asked], inner_shots)
        ]
        draw.shuffle(shots)
        known = [
            place for place, shot in enumerate(shots) if shot.answer in {s.answer for s in shots[:place]}
        ]
        return Drawn(
            [replace(shot, answer=words[shot.answer]) for shot in shots],
            replace(query, answer=words[query.answer]),
            known if self.learned == "all" else [],
        )


def span(name: str, number: Number, least: int) -> tuple[int, int]:
    """The lowest and the highest. Raises `UserError` where there is none between them, or it is below the least."""
    lowest, highest = (number, number) if isinstance(number, int) else number
    if not least <= lowest <= highest:
        raise UserError(
            f"{name} is {number}; it is a number from {least}, or two of which the second is no less"
        )
    return lowest, highest


def new_words(draw: Random, number: int) -> list[str]:
    """Different words of three syllables ("zavumo"): none of `NEW_WORDS`, which evaluations ask with."""
    words: dict[str, None] = {}
    while len(words) < number:
        words["".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(3))] = None
    return list(words)
