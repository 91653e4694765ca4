"""Deletion and insertion: how the probability of a text follows the cells that a map calls important."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from frozenvl.analysis.baselines import Baseline
from frozenvl.analysis.masking import DEFAULT_SIDE
from frozenvl.analysis.method import Method
from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Explain
from frozenvl.evaluation.asks.explain import CONTROLS
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.explained import Explained, Text, explained, minus
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.attribution import area_under
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

KINDS: dict[str, Literal["lower", "higher"]] = {"deletion": "lower", "insertion": "higher"}
"""Curve → direction in which its area improves."""


class Deletion(Explained):
    """Area under the text's probability while a map's cells are deleted, or inserted, most important first.

    (Petsiuk et al. 2018, RISE.) Deletion shows the baseline in place of cells: the lower the area, the better.
    Insertion begins with the baseline: the higher, the better. The probability is the geometric mean over the text's
    tokens, exp(log p ÷ tokens), so that texts of all lengths count alike. `random` (one order for each image) and
    `centre` (from the middle outwards) are scored on the same images. `METHOD/minus_random` is the mean difference over
    images, with a paired interval.

    Args:
        methods: methods by name. The deletion area of the first is the main score.
        task: name in `data.val` of the task to explain. Give either a task or a source.
        source: captions or questions.
        template: wording of the prompts; by default the task's.
        size: number of examples, the same ones in every run; None for all.
        text: text that is explained: "own" is the one that the model generates, "reference" the example's answer or
            first caption.
        points: number of steps in which all cells go.
        grid: number of cells per side that go. Maps of other grids are averaged to it.
        baseline: image that deleted cells show.
        max_new_tokens: length limit of a generated text, in tokens.
    """

    protocol = "deletion"

    def __init__(
        self,
        methods: dict[str, Method],
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        size: int | None = None,
        text: Text = "own",
        points: int = 10,
        grid: int = DEFAULT_SIDE,
        baseline: Baseline = "mean",
        max_new_tokens: int = 32,
    ) -> None:
        if points < 1:
            raise UserError(f"Deletion: points is {points}; a curve has one step or more")
        ask = Explain(methods, points, grid, baseline)
        super().__init__(ask, task, source, template, size, text, max_new_tokens)
        names = [*self.methods, *CONTROLS]
        self.metrics = tuple(
            Metric(f"{kind}/{name}{suffix}", digits=4, better=better, main=kind == "deletion" and main)
            for kind, better in KINDS.items()
            for suffix, own in (("", names), ("/minus_random", [*self.methods, "centre"]))
            for name in own
            for main in [name == names[0] and not suffix]
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        values: dict[str, dict[str, float]] = {}
        for kind in KINDS:
            for name in (*self.methods, *CONTROLS):
                values[f"{kind}/{name}"] = {
                    key: area_under(
                        np.exp(answer.explanation[f"{name}/{kind}"]).tolist(), answer.explanation["counts"]
                    )
                    for key, answer in explained(answers).items()
                }
            for name in (*self.methods, "centre"):
                values[f"{kind}/{name}/minus_random"] = minus(
                    values[f"{kind}/{name}"], values[f"{kind}/random"]
                )
        return self.averaged(values, answers, f"deletion/{self.methods[0]}")
