"""Moments of a fit, counted in calls of functions since training began: the same in each run of the same command."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.checkpoint import SafeCheckpointIO

SAVING = SafeCheckpointIO.save_checkpoint.__code__


class Moments(L.Callback):
    """Kills the process, as `kill -9`, at the n-th call; or writes how many there were, and which fell into saving.

    Args:
        kill_at: which call; -1 for none.
        file: for the number of calls, and the first and last of each checkpoint, as JSON.
    """

    def __init__(self, kill_at: int = -1, file: str = "") -> None:
        self.kill_at, self.file = kill_at, file
        self.calls, self.saves = 0, []  # type: ignore[var-annotated]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sys.setprofile(self._count)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sys.setprofile(None)
        if self.file:
            Path(self.file).write_text(json.dumps({"calls": self.calls, "saves": self.saves}))

    def _count(self, frame: Any, event: str, _: Any) -> None:
        if event == "return":
            if frame.f_code is SAVING:
                self.saves[-1].append(self.calls)
            return
        if event == "call" and frame.f_code is SAVING:
            self.saves.append([self.calls])
        self.calls += event in ("call", "c_call")
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
