"""Few-shot visual question answering (Frozen, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L

from frozenvl.data.sources.source import Source
from frozenvl.data.tasks import Task, demonstrations
from frozenvl.errors import UserError
from frozenvl.evaluation.evaluation import Evaluation
from frozenvl.metrics.distributed import VQAMetric
from frozenvl.metrics.layouts import vqa_results
from frozenvl.prompt import Example, Prompt


class FewShotVQA(Evaluation):
    """Answers every question of a validation task after some demonstrations; scores by VQA accuracy.

    Demonstrations come from the training task, drawn from hash(seed, question id), never one about the query's
    image; the 2 are among the 4.

    Args:
        task: its name in `data.val`.
        demonstrations: name in `data.train` of the task that demonstrations come from; by default the same.
        shots: how many demonstrations, each an evaluation of its own.
        seed: of the draw.
        max_new_tokens: length limit of an answer.
        decoding: options of transformers' `generate`; none is greedy decoding.
    """

    def __init__(
        self,
        task: str = "vqa",
        demonstrations: str | None = None,
        shots: Sequence[int] = (0, 4),
        seed: int = 0,
        max_new_tokens: int = 10,
        decoding: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(task, max_new_tokens, decoding)
        self.pool_name = demonstrations or task
        self.shots, self.seed = list(shots), seed
        self._pool: Source
        self._now = 0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        train = trainer.datamodule.train  # type: ignore[attr-defined]
        if self.pool_name not in train:
            raise UserError(
                f"FewShotVQA: no task {self.pool_name!r} in data.train to draw demonstrations from "
                f"(there are: {', '.join(train)})"
            )
        self._pool = train[self.pool_name].source
        if max(self.shots, default=0) > len(self._pool):
            raise UserError(
                f"FewShotVQA: {max(self.shots)} shots, but the pool has only {len(self._pool)} examples"
            )

    def run(self, trainer: L.Trainer, module: Any) -> None:
        for shots in self.shots:
            self._now = shots
            self.evaluate(trainer, module, f"{self.task_name}-{self._now}shot")

    def prompt(self, task: Task, example: Example) -> Prompt:
        return task.template.prompt(example, demonstrations(example, self._pool, self._now, self.seed))

    def metric(self, source: Source) -> VQAMetric:
        examples = [source[index] for index in range(len(source))]
        return VQAMetric(
            answers={example.id: example.references for example in examples},
            groups={example.id: example.kind for example in examples},
            images={example.id: example.image_id for example in examples},
            partial=True,
        )

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return vqa_results(texts)

    def settings(self) -> dict[str, Any]:
        return {
            "shots": self._now,
            "demonstrations": {"from": self.pool_name, "seed": self.seed, "drawn": "per question"},
            "normalisation": "VQA v2's official",
        }
