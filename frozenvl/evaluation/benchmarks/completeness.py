"""Completeness: whether attributions sum to the difference that they explain."""

from __future__ import annotations

from collections.abc import Mapping

from frozenvl.analysis.method import Method
from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Explain
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.explained import Explained, Text, explained
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.attribution import completeness_gap
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


class Completeness(Explained):
    """Share of maps whose sum is f(image) - f(baseline), within a tolerance relative to it (Sundararajan et al. 2017).

    f is the log-probability of the text in nats; the baseline is the method's own. `METHOD/gap` is the mean distance in
    nats, `METHOD/steps` the mean number of steps of a method that raises it until the map is complete. Methods without
    a baseline have nothing to sum to: their maps are refused.

    Args:
        methods: methods by name. The score of the first is the main one.
        task: name in `data.val` of the task to explain. Give either a task or a source.
        source: captions or questions.
        template: wording of the prompts; by default the task's.
        tolerance: largest gap, relative to the difference.
        size: number of examples, the same ones in every run; None for all.
        text: text that is explained: "own" is the one that the model generates, "reference" the example's answer or
            first caption.
        max_new_tokens: length limit of a generated text, in tokens.
    """

    protocol = "completeness"

    def __init__(
        self,
        methods: dict[str, Method],
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        tolerance: float = 0.01,
        size: int | None = None,
        text: Text = "own",
        max_new_tokens: int = 32,
    ) -> None:
        if tolerance <= 0:
            raise UserError(f"Completeness: tolerance is {tolerance}; it has to be above 0, like 0.01")
        super().__init__(Explain(methods), task, source, template, size, text, max_new_tokens)
        self.tolerance = tolerance
        self.metrics = (
            *(Metric(name, "%", main=place == 0) for place, name in enumerate(self.methods)),
            *(Metric(f"{name}/gap", "nats", digits=4, better="lower") for name in self.methods),
            *(Metric(f"{name}/steps", digits=0, better="lower") for name in self.methods),
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        values: dict[str, dict[str, float]] = {}
        for name in self.methods:
            shares, gaps = values.setdefault(name, {}), values.setdefault(f"{name}/gap", {})
            for key, answer in explained(answers).items():
                ends = answer.explanation.get(f"{name}/ends")
                if ends is None:
                    raise UserError(
                        f"Completeness: maps of {name} have no baseline, so there is no difference that they sum to; "
                        "leave the method out"
                    )
                total = sum(answer.explanation[name])
                shares[key] = 100.0 * (completeness_gap(total, *ends) <= self.tolerance)
                gaps[key] = abs(total - (ends[0] - ends[1]))
                if f"{name}/steps" in answer.explanation:
                    values.setdefault(f"{name}/steps", {})[key] = answer.explanation[f"{name}/steps"][0]
        return self.averaged(values, answers, self.methods[0])
