"""Matching: chooses the true caption of an image among foils, by likelihood (VisualGPTScore) or by a matching head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Measure
from frozenvl.evaluation.asks.match import choosing
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.worded import Worded
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.matching import METRICS, chosen_is_last, highest_is_last, items_of, matching_scores
from frozenvl.model.matching import QUESTION
from frozenvl.util.errors import UserError
from frozenvl.util.lazy import LazySequence
from frozenvl.wording import Template


class Matching(Worded):
    """Chooses the true caption of each image among foils; scores by accuracy. Likelihoods need no training for it.

    The score `text_only` is the accuracy of log p(text) alone, without any image. A model that only knows which
    captions are fluent reaches it, so a score means nothing without it. Equal values count as wrong.

    If two queries have ids ITEM/0 and ITEM/1 and each other's captions, as in Winoground, there are also the scores
    `text`, `image` and `group` of items.

    Args:
        task: name in `data.val` of the task to evaluate, by default "matching". Give either a task or a source.
        source: images with choices, the true caption first, such as `SugarCrepePairs`.
        template: wording of the prompts; by default the task's, or the image alone.
        choose: log-probability of a caption given the image: its "sum" over tokens, its "mean", "calibrated" (sum
            minus the sum given black images) or "difference" (sum minus `alpha` times the sum without any image). Or
            "head", the logit of a trained matching head; or "yes", log p(yes) - log p(no) after a question.
        alpha: weight of the log-probability without images in "difference".
        end_token: whether the end token after a caption counts in log-probabilities.
        head: name of the matching head for "head"; by default the model's only one.
        question: question about a caption for "yes", with the field `{text}`. The image is before it.
    """

    protocol = "matching"
    metrics = METRICS
    words = ("image",)

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        choose: Measure | Literal["head", "yes"] = "difference",
        alpha: float = 1.0,
        end_token: bool = False,
        head: str | None = None,
        question: str = QUESTION,
    ) -> None:
        task = task or ("matching" if source is None else None)
        ask = choosing(choose, alpha, head, question, text_only=True, end_token=end_token)
        super().__init__(ask, task, source, template)
        self._chance: float | None = None

    def queries(self, setting: Setting) -> Sequence[Query]:
        return LazySequence(len(self.source), self._query)

    def _query(self, index: int) -> Query:
        example = self.source[index]
        if len(example.choices) < 2:
            raise UserError(
                f"example {example.id} has no foils: Matching needs a source whose examples have choices, the true "
                "caption first, such as SugarCrepePairs, AROPairs or WinogroundPairs; captions are for the benchmark "
                "Captions, questions for FewShotVQA"
            )
        if not all(map(str.strip, example.choices)):
            raise UserError(f"example {example.id} has an empty caption among its choices; leave it out")
        # The true caption is last, since the first of equally likely candidates is chosen: a tie counts as wrong.
        captions = (*example.choices[1:], example.choices[0])
        return Query(
            id=example.id,
            prompt=self.template.prompt(example),
            image_id=example.image_id,
            references=example.choices[:1],
            image=example.image,
            question=example.question,
            kind=example.kind,
            candidates=tuple(self.template.target.format(target=caption) for caption in captions),
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        queries = {key: answer.query for key, answer in answers.items()}
        candidates = {key: query.candidates for key, query in queries.items()}
        return matching_scores(
            right={key: bool(self.right(answer)) for key, answer in answers.items()},
            text_only={key: highest_is_last(answer.text_values) for key, answer in answers.items()},
            groups={key: query.kind for key, query in queries.items()},
            images={key: query.image_id for key, query in queries.items()},
            items=items_of(candidates),
            values={
                key: dict(zip(candidates[key], answer.values, strict=True))
                for key, answer in answers.items()
                if answer.values
            },
        )

    def right(self, answer: Answer) -> float | None:
        return float(not answer.unreadable and chosen_is_last(answer.query.candidates, answer.generated))

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns chance: the mean of 1 / number of candidates."""
        if self._chance is None:
            counts = [len(self.source[index].choices) for index in range(len(self.source))]
            self._chance = 100 * sum(1 / count for count in counts) / len(counts)
        return {"chance": self._chance}
