"""Dialogue by generation: the reply of each round, scored like answers or like captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Generate
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.dialogue import Dialogue, History
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics import captions, vqa
from frozenvl.metrics.caption_groups import grouped_caption_scores
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.tokenizers import TokenizerName
from frozenvl.metrics.vqa_rules import RuleName, rules_of
from frozenvl.prompt import Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

ScoredAs = Literal["answers", "captions"]
"""Kinds of scores of replies."""


class DialogueGeneration(Dialogue):
    """Generates the reply of each round; scores by VQA accuracy or by CIDEr, BLEU and ROUGE-L, also by round.

    With `history: [gold, none]` the same questions are asked with the turns before them and alone.

    Args:
        task: name in `data.val` of the task to evaluate, by default "dialogue". Give either a task or a source.
        source: conversations. A question without turns is a conversation of one round.
        template: wording of the turns; by default the task's.
        history: turns in front of a round, each a setting of its own: "gold" (the true replies), "own" (the model's
            own replies) or "none" (the round alone, after the images shown so far).
        scored_as: "answers" (VQA accuracy; with one true reply, exact match after VQA's normalisation) or "captions"
            (CIDEr, BLEU and ROUGE-L, for long replies).
        max_new_tokens: length limit of a reply, in tokens.
        decoding: options of transformers' `generate`; by default decoding is greedy.
        rules: normalisation of answers before they are compared: "official" (VQA v2's), "lavis", "lmms" or "m4c".
        tokenizer: tokenizer of caption scores: "ptb", or "char", "zh" and "ja" for writing systems without spaces.
    """

    protocol = "dialogue_generation"
    metrics: Sequence[Metric] = vqa.METRICS

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        history: Sequence[History] = ("gold",),
        scored_as: ScoredAs = "answers",
        max_new_tokens: int = 32,
        decoding: dict[str, Any] | None = None,
        rules: RuleName = "official",
        tokenizer: TokenizerName = "ptb",
    ) -> None:
        super().__init__(Generate(max_new_tokens, decoding or {}), task, source, template, history)
        if scored_as not in get_args(ScoredAs):
            raise UserError(
                f"DialogueGeneration: unknown scored_as {scored_as!r}; choose answers or captions"
            )
        self.rules: RuleName = rules
        self.tokenizer: TokenizerName = tokenizer
        self.as_captions = scored_as == "captions"
        if self.as_captions:
            self.metrics = captions.METRICS
            own = captions.rules_of(tokenizer)
            idf = f"{own['CIDEr']}, idf of the replies that are asked for"
            self._recorded = {"scored_as": scored_as, "metrics_tokenizer": own["tokenizer"], "CIDEr": idf}
        else:
            self._recorded = {"scored_as": scored_as, "normalisation": rules_of(rules).record}

    def recorded(self) -> dict[str, Any]:
        return self._recorded

    def finished(self, query: Query, turn: Turn) -> Query:
        return replace(query, references=turn.references or ((turn.reply,) if turn.reply else ()))

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        texts = {key: answer.text for key, answer in answers.items()}
        references = {key: answer.query.references for key, answer in answers.items()}
        groups = {key: answer.query.kind for key, answer in answers.items()}
        if self.as_captions:
            return grouped_caption_scores(texts, references, groups, tokenizer=self.tokenizer)
        images = {key: answer.query.image_id for key, answer in answers.items()}
        scored = vqa.vqa_scores(texts, references, groups, images, rules=self.rules)
        return replace(scored, notes=vqa.rules_notes(texts, references, self.rules))

    def right(self, answer: Answer) -> float | None:
        if self.as_captions:
            return None
        return vqa.vqa_accuracy(answer.text, answer.query.references, self.rules) / 100
