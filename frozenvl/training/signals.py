"""Graceful stop of a fit: SIGTERM, SIGINT and SIGUSR1 save a checkpoint at the end of the current optimiser step.

The signal handler only stores the signal: within a step weights and counters do not match, and a rank that saved alone
would hang. At the end of each step all ranks agree, save a checkpoint, and exit with status 128 + signal.
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
"""Seconds after which a second Ctrl-C stops at once. Earlier ones may be the first, delivered twice by a launcher."""


class Signals(_SignalConnector):
    """Replaces Lightning's signal handlers, which communicate, save, or exit with status 0 in the middle of a step."""

    def __init__(self, trainer: L.Trainer) -> None:
        super().__init__(trainer)
        self.noted = 0
        """Number of the signal received; 0 for none."""
        self.stepping = False
        """True while training steps run: a stop then waits for the end of the current step."""
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

        Args:
            state: end of the message, such as " after step 7; ...".

        Raises:
            Stopped: always, with exit status 128 + signal.
        """
        launcher = self.trainer.strategy.launcher
        environment = getattr(launcher, "cluster_environment", None)
        launched = (
            isinstance(launcher, _SubprocessScriptLauncher)
            and environment is not None
            and not environment.creates_processes_externally
            and self.trainer.local_rank > 0
        )
        # Lightning treats any status but 0 from a process that it started as a crash, and kills the run.
        status = 0 if launched else 128 + self.noted
        message = f"stopped by {signal.Signals(self.noted).name}{state}"
        raise Stopped(message, status, quiet=self.trainer.global_rank > 0)


class StopAtStep(L.Callback):
    """Checks at the end of each optimiser step whether any rank received a signal. Must be the last callback.

    During validation the ranks are at different batches and cannot agree, so a stop ends it at once. Nothing is lost:
    `SaveLast` saves before it, and a resumed run validates again (`steps.DueValidation`).
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
        """Returns whether any rank received a signal; the same on all ranks."""
        if trainer.world_size > 1:
            noted = torch.tensor(self.signals.noted, device=trainer.strategy.root_device)
            self.signals.noted = int(trainer.strategy.reduce(noted, reduce_op="max"))
        return bool(self.signals.noted)


def how_to_go_on(path: Path | None) -> str:
    """Returns the end of a stop's message: how to resume from the checkpoint at `path`."""
    return f"{path} goes on from there with --resume true" if path else "no checkpoint is kept by this run"
