"""Naming: names the object in an image by a word that the support set has just bound (Frozen, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from frozenvl.evaluation.asks import Choose, Generate, Measure
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.episodes import EpisodeBenchmark, Episodes, names_of
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.naming import METRICS, naming_scores, strict_match
from frozenvl.prompt import Episode
from frozenvl.wording import NAMING_WORDINGS, Template


class Naming(EpisodeBenchmark):
    """Few-shot naming, such as Open-Ended and Real-Name miniImageNet: names the query's image after the support set.

    The main score is strict: the answer is exactly the name and then ends. `first_phrase` is the lenient score.

    Args:
        episodes: sets of episodes by name, such as one of the published files for each number of ways and shots.
        template: wording: a template, or the name of one in `NAMING_WORDINGS`. `{question}` is replaced by the
            caption of a support example ("This is a dax") and by the beginning of the query ("This is a").
        repeats: numbers of times that each support example is repeated, each a setting of its own; 0 shows it once.
        induction: texts before the support set (task induction), each a setting of its own; "" for none. `{names}`
            is replaced by the support set's names ("dax or blicket").
        choose: log-probability by which the most likely of the support set's names is chosen: its "sum" over tokens,
            its "mean", "calibrated" (sum minus the sum given black images), or "difference" (sum minus `alpha` times
            the sum given the prompt's text without images); by default the name is generated.
        alpha: weight of the log-probability without images in "difference".
        max_new_tokens: length limit of a name, in tokens.
        decoding: options of transformers' `generate`; by default decoding is greedy.
        supervised_encoder: note for reports about an encoder that was trained with labels of these classes.
    """

    protocol = "naming"
    metrics: Sequence[Metric] = METRICS
    rules: ClassVar[dict[str, str]] = {
        "rule": "strict: exactly the name, then the end; first_phrase: the name, whatever follows it"
    }
    why = "{question} stands for the support's captions and for the beginning of the query"

    def __init__(
        self,
        episodes: dict[str, Episodes],
        template: Template | Literal["published", "paper"] = "published",
        repeats: Sequence[int] = (0,),
        induction: Sequence[str] = ("", "Answer with {names}.\n"),
        choose: Measure | None = None,
        alpha: float = 1.0,
        max_new_tokens: int = 8,
        decoding: dict[str, Any] | None = None,
        supervised_encoder: str = "",
    ) -> None:
        worded = template if isinstance(template, Template) else NAMING_WORDINGS[template]
        ask = Choose(choose, alpha) if choose else Generate(max_new_tokens, decoding or {})
        super().__init__(ask, episodes, worded, repeats, induction, supervised_encoder)
        if choose:  # a chosen name has nothing after it, so both scores are equal; tables show one
            self.metrics = [replace(metric, shown=metric.main) for metric in METRICS]

    def _candidates(self, episode: Episode) -> tuple[str, ...]:
        if not isinstance(self.ask, Choose):
            return ()
        return tuple(self.template.target.format(target=name) for name in sorted(names_of(episode)))

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        return naming_scores(
            {key: answer.text for key, answer in answers.items()},
            {key: answer.ended for key, answer in answers.items()},
            {key: answer.query.references[0] for key, answer in answers.items()},
            {key: answer.query.image_id for key, answer in answers.items()},
        )

    def right(self, answer: Answer) -> float | None:
        return float(strict_match(answer.text, answer.query.references[0], answer.ended))

    def baselines(self, setting: Setting) -> dict[str, float]:
        return {"chance": 100 / setting.facts["ways"]} if setting.facts["inner_shots"] else {}
