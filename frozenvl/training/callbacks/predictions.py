"""Writes the outputs of `frozenvl predict` to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.util.distributed import gather
from frozenvl.util.files import as_line, write_atomically


class Predictions(L.Callback):
    """Writes the predictions of all ranks to `predictions.jsonl` in the run's folder, in the order of the data."""

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._batches: list[list[dict[str, str]]] = []

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self._batches.append(outputs)

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Batch i is on rank i modulo world size, and all ranks have equally many batches.
        rows = [
            row for batches in zip(*gather(self._batches), strict=True) for batch in batches for row in batch
        ]
        if trainer.is_global_zero:
            path = Path(trainer.default_root_dir) / "predictions.jsonl"
            write_atomically(path, "".join(map(as_line, rows)))
            print(f"{len(rows)} predictions in {path}")
