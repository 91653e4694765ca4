"""Naming episodes for training: the demonstrations bind nonce words to classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Literal

from frozenvl.data.episodes.support import Draw, Drawn, Number, Support, span
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class NewWords(Support):
    """Naming episodes: the support set binds a nonce word to each class, the query asks for one of the words.

    As in Frozen's Open-Ended miniImageNet. Each episode has new words. The source holds labelled images, whose
    answers are their classes.

    Args:
        ways: number of classes in an episode, including the query's; or the lowest and the highest number.
        inner_shots: number of different support images of each class; or the lowest and the highest number.
        learned: "last": the loss is on the query's word only; "all": also on each word of the support set from its
            second use on.
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
        query_index, _ = source.pair(pair)
        ways, inner_shots = draw.randint(*self.ways), draw.randint(*self.inner_shots)
        names = [query.answer, *draw.sample([name for name in classes if name != query.answer], ways - 1)]
        words = dict(zip(names, new_words(draw, ways), strict=True))
        shots = [
            source[index]
            for name in names
            for index in draw.sample([index for index in classes[name] if index != query_index], inner_shots)
        ]
        draw.shuffle(shots)
        repeated = [i for i, shot in enumerate(shots) if shot.answer in {s.answer for s in shots[:i]}]
        return Drawn(
            [replace(shot, answer=words[shot.answer]) for shot in shots],
            replace(query, answer=words[query.answer]),
            repeated if self.learned == "all" else [],
        )


def new_words(draw: Random, number: int) -> list[str]:
    """Draws distinct nonce words of three syllables ("zavumo"). None is in `NEW_WORDS`, the words of evaluations."""
    words: dict[str, None] = {}
    while len(words) < number:
        words["".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(3))] = None
    return list(words)
