"""The pointing game: whether the maximum of an attribution map is on the object that a question is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from frozenvl.analysis.method import Method
from frozenvl.data.order import mixed
from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Explain
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.explained import Explained, Text, explained, map_of, minus
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.attribution import centre_map, pointing_hit
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template


class PointingGame(Explained):
    """Share of maps whose highest cell has its centre in the box of an object that the question is about.

    (Zhang et al. 2018.) Several highest cells count by their share in the box. Beside the methods stand `centre`, a map
    that is highest in the middle of the image, and `random`, the share of cells in the box. Questions without a box
    are left out.

    Args:
        methods: methods by name. The score of the first is the main one.
        task: name in `data.val` of the task to explain. Give either a task or a source.
        source: questions with boxes, such as `SceneQuestions`.
        template: wording of the prompts; by default the task's.
        question_types: label `question_type` of the questions that are asked; all by default.
        size: number of questions, the same ones in every run; None for all.
        text: text that is explained: "reference" is the true answer, "own" the one that the model generates.
        max_new_tokens: length limit of a generated answer, in tokens.
    """

    protocol = "pointing_game"
    words = ("image", "question")
    usual = VQA

    def __init__(
        self,
        methods: dict[str, Method],
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        question_types: Sequence[str] = (),
        size: int | None = None,
        text: Text = "reference",
        max_new_tokens: int = 10,
    ) -> None:
        super().__init__(Explain(methods), task, source, template, size, text, max_new_tokens)
        self.question_types = tuple(question_types)
        names = [*self.methods, "centre", "random"]
        self.metrics = (
            *(Metric(name, "%", main=place == 0) for place, name in enumerate(names)),
            *(Metric(f"{name}/minus_centre", "%") for name in self.methods),
        )

    def places(self) -> list[int]:
        """Returns the indices of the questions that are asked. Raises `UserError` if none has a box."""
        kept: list[int] = []
        for place in mixed(len(self.source)):
            example = self.source[place]
            kind = example.kind.get("question_type", "")
            if example.boxes and (not self.question_types or kind in self.question_types):
                kept.append(place)
            if len(kept) == self.size:
                break
        if not kept:
            kinds = f" of the types {', '.join(self.question_types)}" if self.question_types else ""
            raise UserError(
                f"PointingGame: no question{kinds} has the box of an object; SceneQuestions has them"
            )
        return sorted(kept)

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        hits = {name: dict.fromkeys(answers, 0.0) for name in self.methods}  # no map is no hit
        hits |= {"centre": {}, "random": {}}
        side = self.ask.grid
        for key, answer in answers.items():  # of the image, without its padding
            hits["centre"][key] = 100 * pointing_hit(centre_map(side, side), answer.query.boxes)
            hits["random"][key] = 100 * pointing_hit(np.ones((side, side)), answer.query.boxes)
        for key, answer in explained(answers).items():
            for name in self.methods:
                hits[name][key] = 100 * _hit(answer, name)
        gains = {f"{name}/minus_centre": minus(hits[name], hits["centre"]) for name in self.methods}
        groups = {
            f"{name}/{kind}/{group}": {
                key: value for key, value in hits[name].items() if answers[key].query.kind.get(kind) == group
            }
            for name in self.methods
            for kind, group in sorted(
                {(kind, group) for answer in answers.values() for kind, group in answer.query.kind.items()}
            )
        }
        return self.averaged(hits | gains | groups, answers, self.methods[0])

    def right(self, answer: Answer) -> float | None:
        return _hit(answer, self.methods[0]) if answer.explanation else 0.0


def _hit(answer: Answer, name: str) -> float:
    """Returns whether a map points at a box; maps are of the encoder's square, and boxes of the image in it."""
    left, top, right, bottom = answer.explanation["image"]
    across, down = right - left, bottom - top
    boxes = [
        (left + across * box[0], top + down * box[1], left + across * box[2], top + down * box[3])
        for box in answer.query.boxes
    ]
    return pointing_hit(map_of(answer, name), boxes)
