"""Fast-VQA: questions about an image that use a word bound in the support set (Frozen, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from frozenvl.evaluation.asks import Generate
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.episodes import EpisodeBenchmark, Episodes
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.vqa import METRICS, exact_match, vqa_scores
from frozenvl.prompt import Image, Prompt
from frozenvl.wording import Template


class EpisodeVQA(EpisodeBenchmark):
    """Fast-VQA, Real-Fast-VQA and Guided-VQA: asks about an image with a word that the support set binds.

    Each question has one gold answer, matched exactly after VQA's normalisation. Guided-VQA's gold answers are whole
    sentences ("That is a blue coat."), so there a one-word answer is wrong.

    Args:
        episodes: sets of episodes by name, such as the published files.
        template: wording of the query; by default "{image}Q: {question} A:". A support example is not worded by it: it
            is an image followed by its caption.
        repeats: numbers of times that each support example is repeated, each a setting of its own; 0 shows it once.
        induction: texts before the support set (task induction), each a setting of its own; "" for none.
        max_new_tokens: length limit of an answer, in tokens.
        decoding: options of transformers' `generate`; by default decoding is greedy.
    """

    protocol = "fast_vqa"
    metrics = METRICS
    rules: ClassVar[dict[str, str]] = {"normalisation": "VQA v2's official; one gold answer, matched exactly"}

    def __init__(
        self,
        episodes: dict[str, Episodes],
        template: Template | None = None,
        repeats: Sequence[int] = (0,),
        induction: Sequence[str] = ("",),
        max_new_tokens: int = 12,
        decoding: dict[str, Any] | None = None,
    ) -> None:
        worded = template or Template(query="{image}Q: {question} A:", target=" {target}", stop=("\n", "Q:"))
        super().__init__(Generate(max_new_tokens, decoding or {}), episodes, worded, repeats, induction)

    def _support_example(self, image: Image, caption: str) -> Prompt:
        return (image, caption)

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        return vqa_scores(
            {key: answer.text for key, answer in answers.items()},
            {key: answer.query.references for key, answer in answers.items()},
            images={key: answer.query.image_id for key, answer in answers.items()},
        )

    def right(self, answer: Answer) -> float | None:
        return float(exact_match(answer.text, answer.query.references[0]))
