"""Logs the configuration and the provenance of a run to its loggers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.evaluation.provenance import of_loop
from frozenvl.training.trained_run import CONFIG, read_config
from frozenvl.util.trackers import log_settings


class LogSettings(L.Callback):
    """Logs `config` (the run's config.yaml, if it has one) and `provenance` (model, precision, versions) when a fit
    begins."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.fast_dev_run or not trainer.loggers:  # type: ignore[attr-defined]
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        provenance = of_loop(pl_module, data)  # on all ranks, which gather sharded weights
        if not trainer.is_global_zero:
            return
        del provenance["trained_weights"]  # those of the start
        provenance = json.loads(json.dumps(provenance, default=str))
        run = Path(trainer.default_root_dir)
        config = {"config": read_config(run)} if (run / CONFIG).is_file() else {}
        settings = config | {"provenance": provenance}
        for logger in trainer.loggers:
            log_settings(logger, settings)
