"""Moments of a fit, counted in calls of functions: the same in each run of the same command from the same step."""

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
    """Kills the process, as `kill -9`, at the n-th call, and notes where that was; or writes how many there were.

    Args:
        kill_at: which call; -1 for none.
        within: what calls are counted in: `fit` (from its start), `saving` (a checkpoint being written), `validation`.
        rank: which one is killed.
        file: for the numbers of calls in each, of a saving and a validation the fewest, as JSON.
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
