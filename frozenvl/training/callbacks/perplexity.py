"""Writes the validation losses of a run in the same format as benchmark scores."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.evaluation.provenance import of_loop
from frozenvl.evaluation.score_file import LOSSES, Score, write_score
from frozenvl.metrics.metric import Metric
from frozenvl.model.batch import Batch
from frozenvl.util.distributed import gather

METRICS = (
    Metric("perplexity", digits=2, better="lower", main=True),
    Metric("bits_per_byte", digits=3, better="lower"),
)


class Perplexity(L.Callback):
    """Writes `evaluation/perplexity/score.json` after each validation and test: all metrics logged as `val/…`."""

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._pairs: list[str] = []

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._pairs += batch.samples  # only pairs whose images could be read

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._keep(trainer, pl_module, len(trainer.val_dataloaders.dataset))  # type: ignore[union-attr]

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._keep(trainer, pl_module, len(trainer.test_dataloaders.dataset))  # type: ignore[union-attr]

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end

    def _keep(self, trainer: L.Trainer, module: Any, of: int) -> None:
        pairs = sorted(pair for rank_pairs in gather(self._pairs) for pair in rank_pairs)
        if not trainer.is_global_zero:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        values = {key: float(value) for key, value in trainer.callback_metrics.items()}
        scores = {k.removeprefix("val/"): v for k, v in values.items() if k.startswith("val/")}
        if not scores:
            return
        metrics = [metric for metric in METRICS if metric.name in scores]
        other_names = sorted(scores.keys() - {metric.name for metric in metrics})
        metrics += [Metric(name, digits=3, better="lower", shown=False) for name in other_names]
        if not any(metric.main for metric in metrics):
            metrics[0] = replace(metrics[0], main=True, shown=True)
        provenance = of_loop(module, data)
        score = Score(
            name=LOSSES,
            benchmark=LOSSES,
            protocol=LOSSES,
            metrics=tuple(metrics),
            setting={},
            view="seeing",
            scores=scores,
            intervals={},
            baselines={},
            samples=len(pairs),
            of=of,
            partial=len(pairs) < of,
            unreadable=0,
            step=trainer.global_step or module.trained_steps,
            fingerprint="",
            supervised_encoder="",
            provenance=provenance
            | {
                "templates": {name: asdict(task.template) for name, task in data.val.items()},
                "support": {
                    name: f"{type(task.support).__name__} {vars(task.support)}"
                    for name, task in data.val.items()
                    if task.support
                },
                "max_target_tokens": module.max_target_tokens,
                "pairs": hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16],
            },
        )
        write_score(Path(trainer.default_root_dir) / "evaluation" / LOSSES / "score.json", score)
