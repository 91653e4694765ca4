"""Callback that kills a fit at a given function call, so that a kill can be repeated."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.training.checkpoint import SafeCheckpointIO

SAVING = SafeCheckpointIO.save_checkpoint.__code__


class Moments(L.Callback):
    """Kills the process with SIGKILL at the n-th function call and records where; or writes the number of calls.

    Args:
        kill_at: number of the call; -1 to kill at none.
        within: phase whose calls are counted: `fit` (from its start), `saving` (of a checkpoint) or `validation`.
        rank: rank that is killed.
        file: JSON file for the numbers of calls per phase, the fewest of any saving and of any validation.
    """

    def __init__(self, kill_at: int = -1, within: str = "fit", rank: int = 0, file: str = "") -> None:
        self.kill_at, self.within, self.rank, self.file = kill_at, within, rank, file
        self.calls = {"fit": 0, "saving": 0, "validation": 0}
        self.fewest = {"saving": sys.maxsize, "validation": sys.maxsize}
        self.now: set[str] = {"fit"}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.trainer = trainer
        if trainer.global_rank == self.rank:
            sys.setprofile(self._count)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._enter("validation")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._leave("validation")

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sys.setprofile(None)
        if self.file:
            Path(self.file).write_text(json.dumps({"fit": self.calls["fit"]} | self.fewest))

    def _enter(self, what: str) -> None:
        self.calls[what] = 0
        self.now.add(what)

    def _leave(self, what: str) -> None:
        self.fewest[what] = min(self.fewest[what], self.calls[what])
        self.now.discard(what)

    def _count(self, frame: Any, event: str, _: Any) -> None:
        if frame.f_code is SAVING and event in ("call", "return"):
            self._enter("saving") if event == "call" else self._leave("saving")
        if event not in ("call", "c_call"):
            return
        for what in self.now:
            self.calls[what] += 1
        if self.within in self.now and self.calls[self.within] == self.kill_at:
            sys.setprofile(None)
            with Path("kills.jsonl").open("a") as file:
                print(json.dumps({"step": self.trainer.global_step, "within": sorted(self.now)}), file=file)
            os.kill(os.getpid(), signal.SIGKILL)
