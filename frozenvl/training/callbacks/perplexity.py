"""The perplexity of a run's validation pairs, kept as the scores of benchmarks are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.evaluation.provenance import of_run
from frozenvl.model.batch import Batch
from frozenvl.util.distributed import gather
from frozenvl.util.files import write_atomically

NAME = "perplexity"


class Perplexity(L.Callback):
    """Writes `evaluation/perplexity/score.json` after each validation and test: what is logged below `val/`."""

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
        self._pairs += batch.samples  # those whose images could be read

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._keep(trainer, pl_module, len(trainer.val_dataloaders.dataset))  # type: ignore[union-attr]

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._keep(trainer, pl_module, len(trainer.test_dataloaders.dataset))  # type: ignore[union-attr]

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end

    def _keep(self, trainer: L.Trainer, module: Any, of: int) -> None:
        pairs = sorted(pair for some in gather(self._pairs) for pair in some)
        if not trainer.is_global_zero:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        values = {key: float(value) for key, value in trainer.callback_metrics.items()}
        score = {
            "name": NAME,
            "benchmark": NAME,
            "protocol": NAME,
            "main": NAME,
            "setting": {},
            "view": "seeing",
            "scores": {k.removeprefix("val/"): v for k, v in values.items() if k.startswith("val/")},
            "samples": len(pairs),
            "of": of,
            "partial": len(pairs) < of,
            "step": trainer.global_step or module.trained_steps,
            "circumstances": of_run(module, data.blind, data.scaled_decoding, data.eval_batch_size)
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
        }
        path = Path(trainer.default_root_dir) / "evaluation" / NAME / "score.json"
        write_atomically(path, json.dumps(score, indent=2, ensure_ascii=False) + "\n")
