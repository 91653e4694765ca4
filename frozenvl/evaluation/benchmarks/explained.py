"""Base class of benchmarks that check attribution maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isqrt
from typing import Any, ClassVar, Literal

import numpy as np

from frozenvl.data.order import mixed
from frozenvl.evaluation.asks import Ask, Explain, Generate
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.benchmarks.worded import Worded
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.metrics.attribution import mean_scores
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.util.lazy import LazySequence
from frozenvl.wording import Template

Text = Literal["own", "reference"]
"""Text that is explained: the one that the model generates, or the example's answer or first caption."""


class Explained(Worded):
    """Benchmark of attribution maps, for each of several methods.

    Args:
        ask: request for the maps.
        task: name in `data.val` of the task to explain. Give either a task or a source.
        source: captions or questions.
        template: wording of the prompts; by default the task's.
        size: number of examples, the same ones in every run; None for all.
        text: text that is explained.
        max_new_tokens: length limit of a generated text, in tokens.
    """

    ask: Explain
    words: ClassVar[tuple[str, ...]] = ("image",)
    usual: ClassVar[Template | None] = None
    """Template for a source of its own, if none is given; None for captions'."""

    def __init__(
        self,
        ask: Explain,
        task: str | None,
        source: Any,
        template: Template | None,
        size: int | None,
        text: Text,
        max_new_tokens: int,
    ) -> None:
        if task is None and source is None:
            raise UserError(f"{type(self).__name__}: give it a task of data.val, or a source")
        if size is not None and size < 1:
            raise UserError(f"{type(self).__name__}: size is {size}; leave it out for all examples")
        self.size, self.text, self.max_new_tokens = size, text, max_new_tokens
        super().__init__(ask, task, source, template or (self.usual if source is not None else None))

    def _take(self, ask: Ask, template: Template) -> None:
        assert isinstance(ask, Explain)
        generate = Generate(self.max_new_tokens, stop=template.stops)
        self.template, self.ask = template, replace(ask, generate=generate, target=template.target)

    @property
    def methods(self) -> list[str]:
        """Names of the methods; the first one's score is the main one."""
        return list(self.ask.methods)

    def settings(self) -> list[Setting]:
        return [Setting(provenance={"explained": f"{self.text} text"})]

    def queries(self, setting: Setting) -> Sequence[Query]:
        places = self.places()
        return LazySequence(len(places), lambda index: self._query(self.source[places[index]]))

    def places(self) -> list[int]:
        """Returns the indices of the examples that are explained."""
        return sorted(mixed(len(self.source))[: self.size])

    def _query(self, example: Example) -> Query:
        if self.text == "reference" and not example.targets:
            raise UserError(
                f"example {example.id} has no answer and no caption; explain the model's own text"
            )
        texts = (self.template.target.format(target=example.targets[0]),) if self.text == "reference" else ()
        return Query(
            id=example.id,
            prompt=self.template.prompt(example),
            image_id=example.image_id,
            references=example.references,
            image=example.image,
            question=example.question,
            kind=example.kind,
            candidates=texts,
            boxes=example.boxes,
        )

    def averaged(
        self, values: Mapping[str, Mapping[str, float]], answers: Mapping[str, Answer], main: str
    ) -> AccuracyScores:
        """Averages values (score name → query id → value) over answers, with a note about those without a map."""
        scores = mean_scores(values, {key: answer.query.image_id for key, answer in answers.items()}, main)
        if missing := sum(not answer.explanation for answer in answers.values()):
            scores.notes.append(
                f"{missing} of {len(answers)} have no map: the image cannot be read, or the model says nothing"
            )
        return scores


def explained(answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """Returns the answers that have an explanation."""
    return {key: answer for key, answer in answers.items() if answer.explanation}


def map_of(answer: Answer, name: str) -> np.ndarray:
    """Returns a map (rows, columns) of an explanation by its name. Maps are square."""
    values = np.array(answer.explanation[name])
    side = isqrt(values.size)
    return values.reshape(side, side)


def minus(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Returns the differences of the queries that both have: the interval of their mean is a paired one."""
    return {key: value - second[key] for key, value in first.items() if key in second}
