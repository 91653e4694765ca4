"""Captioning: CIDEr, BLEU and ROUGE-L of generated captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Generate, Rerank, Reranked
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.worded import Worded
from frozenvl.evaluation.layouts import caption_results
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.caption_groups import grouped_caption_scores
from frozenvl.metrics.captions import METRICS, rules_of
from frozenvl.metrics.tokenizers import TokenizerName
from frozenvl.util.lazy import LazySequence
from frozenvl.wording import Template


class Captions(Worded):
    """Captions every image; scores by CIDEr, BLEU and ROUGE-L, also by the labels of examples (nocaps' domains).

    Args:
        task: name in `data.val` of the task to evaluate, by default "captions". Give either a task or a source.
        source: images with their reference captions.
        template: wording of the prompts; by default the task's.
        max_new_tokens: length limit of a caption, in tokens.
        decoding: options of transformers' `generate`, such as `num_beams`; by default decoding is greedy.
        rerank: how the texts of a beam search (`decoding: {num_beams: 5}`) are re-ranked; by default its best one is
            the caption.
        tokenizer: tokenizer of the scores: "ptb" is pycocoevalcap's; "char", "zh" (Chinese) and "ja" (Japanese) are
            sacrebleu's, for captions in writing systems without spaces.
    """

    protocol = "captions"
    metrics = METRICS
    words = ("image",)

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        max_new_tokens: int = 32,
        decoding: dict[str, Any] | None = None,
        tokenizer: TokenizerName = "ptb",
        rerank: Rerank | None = None,
    ) -> None:
        task = task or ("captions" if source is None else None)
        ask = Generate(max_new_tokens, decoding or {})
        if rerank is not None:
            ask = Reranked(max_new_tokens, decoding or {}, rerank=rerank)
        super().__init__(ask, task, source, template)
        self.tokenizer: TokenizerName = tokenizer
        self._rules = rules_of(tokenizer)

    def settings(self) -> list[Setting]:
        idf = f"{self._rules['CIDEr']}, idf of all references of the task"
        return [Setting(provenance={"metrics_tokenizer": self._rules["tokenizer"], "CIDEr": idf})]

    def queries(self, setting: Setting) -> Sequence[Query]:
        return LazySequence(len(self.source), self._query)

    def _query(self, index: int) -> Query:
        example = self.source[index]
        return Query(
            id=example.id,
            prompt=self.template.prompt(example),
            image_id=example.image_id,
            references=example.references,
            image=example.image,
            kind=example.kind,
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        """Returns caption scores, of all images and by the labels of their examples.

        CIDEr's idf comes from all references (of the group), even if only some images are captioned.
        """
        examples = [self.source[index] for index in range(len(self.source))]
        references = {example.id: example.references for example in examples}
        groups = {example.id: example.kind for example in examples}
        captions = {key: answer.text for key, answer in answers.items()}
        return grouped_caption_scores(captions, references, groups, partial=True, tokenizer=self.tokenizer)

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return caption_results(texts)
