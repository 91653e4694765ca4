"""A fit that is told to stop: SIGTERM, SIGINT and SIGUSR1 lead to a checkpoint at the next optimiser step's end.

A handler notes the signal, and no more: within a step weights and counters do not fit together, and a rank that saved
by itself would wait for the others. All ranks agree at the end of each step, save, and end with status 128 + signal.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector

from frozenvl.training.checkpoint import save_last
from frozenvl.util.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
AGAIN = 1.0
"""Seconds after which a second Ctrl-C is meant as one: a launcher and a terminal may deliver the first one twice."""


class Signals(_SignalConnector):
    """Takes the place of Lightning's handlers, which talk to other ranks, save, or exit with 0 from within a step."""

    def __init__(self, trainer: L.Trainer) -> None:
        super().__init__(trainer)
        self.noted = 0
        """The signal that has come; 0 for none."""
        self.stepping = False
        """Whether training steps are being done, so that a stop waits for the end of one."""
        self._since = 0.0

    def register_signal_handlers(self) -> None:
        if not self._original_handlers:
            self._original_handlers = {number: signal.getsignal(number) for number in SIGNALS}
            for number in SIGNALS:
                self._register_signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        again = number == signal.SIGINT and self.noted and time.monotonic() - self._since > AGAIN
        first, self.noted = not self.noted, max(self.noted, number)
        launcher = self.trainer.strategy.launcher
        if first:
            self._since = time.monotonic()
            if launcher is not None:
                launcher.kill(number)  # type: ignore[arg-type]
        forked = isinstance(launcher, _MultiProcessingLauncher) and bool(launcher.procs)
        if again or not (self.stepping or forked):
            self.stop("")

    def stop(self, state: str) -> None:
        """Ends the fit on this rank.

        Raises:
            Stopped: always, with the exit status as a shell counts it.
        """
        launcher = self.trainer.strategy.launcher
        environment = getattr(launcher, "cluster_environment", None)
        launched = (
            isinstance(launcher, _SubprocessScriptLauncher)
            and environment is not None
            and not environment.creates_processes_externally
            and self.trainer.local_rank > 0
        )
        # Of a process that it has started itself, Lightning takes another status than 0 for a crash, and kills the run.
        status = 0 if launched else 128 + self.noted
        said = f"stopped by {signal.Signals(self.noted).name}{state}"
        raise Stopped(said, status, quiet=self.trainer.global_rank > 0)


class StopAtStep(L.Callback):
    """Asks all ranks at the end of each optimiser step whether one was told to stop. The last of a run's callbacks.

    A validation is no time to agree, since ranks are at different places in it: a stop there ends it at once. Nothing
    is lost, since `SaveLast` saves before it, and the resumed run does it again (`resume.DueValidation`).
    """

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self._step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._step = trainer.global_step
        self.signals.stepping = True

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self._step:  # gradients are being accumulated
            return
        self._step = trainer.global_step
        if self._agreed(trainer):
            path = save_last(trainer, insist=True)
            self.signals.stop(f" after step {self._step}; {how_to_go_on(path)}")

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        stepping, self.signals.stepping = self.signals.stepping, False
        if stepping and self._agreed(trainer):
            self.signals.stop(f" before the validation of step {trainer.global_step}")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.signals.stepping = trainer.state.fn == "fit" and not trainer.sanity_checking

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.signals.stepping = False

    def _agreed(self, trainer: L.Trainer) -> bool:
        """Whether any rank was told to stop; the same on all."""
        if trainer.world_size > 1:
            noted = torch.tensor(self.signals.noted, device=trainer.strategy.root_device)
            self.signals.noted = int(trainer.strategy.reduce(noted, reduce_op="max"))
        return bool(self.signals.noted)


def how_to_go_on(path: Path | None) -> str:
    return f"{path} goes on from there with --resume true" if path else "no checkpoint is kept by this run"
