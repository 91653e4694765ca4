"""Captioning: BLEU-1..4, CIDEr and ROUGE-L of generated captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frozenvl.data.sources.source import Source
from frozenvl.data.tasks import Task
from frozenvl.evaluation.evaluation import Evaluation
from frozenvl.metrics.distributed import CaptionMetric
from frozenvl.metrics.layouts import caption_results
from frozenvl.prompt import Example, Prompt


class Captions(Evaluation):
    """Captions every image of a validation task.

    Args:
        task: its name in `data.val`.
        max_new_tokens: length limit of a caption.
        decoding: options of transformers' `generate`, such as `num_beams`; none is greedy decoding.
    """

    def __init__(
        self, task: str = "captions", max_new_tokens: int = 32, decoding: dict[str, Any] | None = None
    ) -> None:
        super().__init__(task, max_new_tokens, decoding)

    def prompt(self, task: Task, example: Example) -> Prompt:
        return task.template.prompt(example)

    def metric(self, source: Source) -> CaptionMetric:
        """CIDEr's idf is that of all references, also where only a part was captioned."""
        references = {example.id: example.references for example in (source[i] for i in range(len(source)))}
        return CaptionMetric(references, partial=True)

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return caption_results(texts)

    def settings(self) -> dict[str, Any]:
        return {
            "metrics_tokenizer": "PTB, as pycocoevalcap's",
            "CIDEr": "CIDEr-D, idf of all references of the task",
        }
