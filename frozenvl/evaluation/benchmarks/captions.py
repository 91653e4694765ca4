"""Captioning: BLEU-1..4, CIDEr and ROUGE-L of generated captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.benchmark import Benchmark, Query, Record, Scores, Setting
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.layouts import caption_results
from frozenvl.wording import Template


class Captions(Benchmark):
    """Captions every image.

    Args:
        task: its name in `data.val`, by default "captions"; or else
        source: the images, with their references.
        template: how it is worded; by default the task's.
        max_new_tokens: length limit of a caption.
        decoding: options of transformers' `generate`, such as `num_beams`; none is greedy decoding.
    """

    protocol = "captions"
    main = "CIDEr"
    words = ("image",)

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        template: Template | None = None,
        max_new_tokens: int = 32,
        decoding: dict[str, Any] | None = None,
    ) -> None:
        task = task or ("captions" if source is None else None)
        super().__init__(task, source, template, max_new_tokens, decoding)

    def settings(self) -> list[Setting]:
        return [Setting("")]

    def size(self, setting: Setting) -> int:
        return len(self.source)

    def query(self, setting: Setting, index: int) -> Query:
        example = self.source[index]
        prompt = self.template.prompt(example)
        return Query(
            example.id, prompt, example.image, example.image_id, example.references, kind=example.kind
        )

    def score(self, setting: Setting, records: Mapping[str, Record]) -> Scores:
        """CIDEr's idf is that of all references, also where only a part was captioned."""
        examples = (self.source[index] for index in range(len(self.source)))
        references = {example.id: example.references for example in examples}
        return caption_scores({key: row["text"] for key, row in records.items()}, references, partial=True)

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return caption_results(texts)

    def circumstances(self, setting: Setting) -> dict[str, Any]:
        return {
            "metrics_tokenizer": "PTB, as pycocoevalcap's",
            "CIDEr": "CIDEr-D, idf of all references of the task",
        }
