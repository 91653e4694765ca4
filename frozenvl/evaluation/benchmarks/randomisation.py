"""Randomisation: whether maps change when what the model has learned is destroyed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from frozenvl.analysis.method import Method
from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Explain
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.explained import Explained, Text, explained, map_of
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.attribution import rank_correlation
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


class Randomisation(Explained):
    """Rank correlation of maps before and after the weights of a part are randomised (Adebayo et al. 2018).

    It is low if a map shows what the part has learned. Scores are `PART/METHOD`, means of Spearman's correlation over
    images. A map that looks at nothing of the model, such as the centre prior, has 1; unrelated maps have 0. An image
    whose map is constant does not count. Methods that draw at random also have `spread/METHOD`: the standard deviation
    over seeds, averaged over cells, ÷ the standard deviation of the map over its cells.

    Args:
        methods: methods by name. The score of the first, with the first part, is the main one.
        task: name in `data.val` of the task to explain. Give either a task or a source.
        source: captions or questions.
        template: wording of the prompts; by default the task's.
        parts: parts of the model whose weights are shuffled, each on its own.
        seed: seed of the shuffle.
        size: number of examples, the same ones in every run; None for all.
        text: text that is explained: "own" is the one that the model generates, "reference" the example's answer or
            first caption. It is the same before and after.
        max_new_tokens: length limit of a generated text, in tokens.
    """

    protocol = "randomisation"

    def __init__(
        self,
        methods: dict[str, Method],
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        parts: Sequence[str] = ("mapper",),
        seed: int = 0,
        size: int | None = None,
        text: Text = "own",
        max_new_tokens: int = 32,
    ) -> None:
        if not parts:
            raise UserError("Randomisation: names no part to randomise, such as mapper or vision")
        ask = Explain(methods, randomised=tuple(parts), seed=seed)
        super().__init__(ask, task, source, template, size, text, max_new_tokens)
        rhos = [f"{part}/{name}" for part in parts for name in self.methods]
        self.metrics = (
            *(Metric(name, digits=3, better="lower", main=place == 0) for place, name in enumerate(rhos)),
            *(Metric(f"spread/{name}", digits=2, better="lower") for name in self.methods),
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        made = explained(answers)
        values: dict[str, dict[str, float]] = {
            f"{part}/{name}": {
                key: rank_correlation(map_of(one, name), map_of(one, f"{name}/{part}"))
                for key, one in made.items()
            }
            for part in self.ask.randomised
            for name in self.methods
        }
        for name in self.methods:
            spreads = {key: _spread(answer, name) for key, answer in made.items()}
            if not np.isnan([*spreads.values()]).all():
                values[f"spread/{name}"] = spreads
        return self.averaged(values, answers, f"{self.ask.randomised[0]}/{self.methods[0]}")

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns the correlations of maps that do not depend on the model."""
        return {"random": 0.0, "centre": 1.0}


def _spread(answer: Answer, name: str) -> float:
    """Returns the spread of a map over seeds, relative to its own; nan if nothing is drawn, or the map is constant."""
    if f"{name}/spread" not in answer.explanation:
        return float("nan")
    own = np.std(answer.explanation[name])
    return float(np.mean(answer.explanation[f"{name}/spread"]) / own) if own else float("nan")
