"""What a fit shows while it runs: what is trained, then one line that counts optimiser steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    ModelSummary,
    ProgressBar,
    RichModelSummary,
    RichProgressBar,
    TQDMProgressBar,
)
from torch import nn
from tqdm import tqdm

from frozenvl.util.progress import progress_bar

DEFAULTS = (ModelSummary, RichModelSummary, RichProgressBar, TQDMProgressBar)
"""Lightning's callbacks that show a run. Those that a configuration names stay; its defaults are replaced."""
SHOWN = {"train/loss": "loss {:.3f}", "speed/pairs_per_second": "{:.1f} pairs/s"}
"""Logged values that stand behind the number of steps → how they are written."""


class StepBar(ProgressBar):
    """Shows the optimiser steps of a fit, the time that is left, the loss and the speed; validation by its batches.

    A line always fits a terminal: scores are in the logs and in the table at the end. Without a terminal, it
    writes a line every 30 seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._training: tqdm | None = None
        self._batches: tqdm | None = None

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._training = self._bar(
            "training", "steps", trainer.estimated_stepping_batches, trainer.global_step
        )

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *_: Any) -> None:
        bar = self._training
        if bar is None or trainer.global_step == bar.n:
            return
        known = trainer.progress_bar_metrics
        told = [words.format(float(known[key])) for key, words in SHOWN.items() if key in known]
        bar.set_postfix_str(", ".join(told), refresh=False)
        bar.update(trainer.global_step - bar.n)

    def on_train_end(self, *_: Any) -> None:
        if self._training is not None:
            self._training.close()

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._start("validation loss", sum(trainer.num_val_batches))

    def on_test_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._start("test loss", sum(trainer.num_test_batches))

    def on_predict_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._start("predictions", sum(trainer.num_predict_batches))

    def _start(self, what: str, total: float) -> None:
        self._batches = self._bar(what, "batches", total)

    def _advance(self) -> None:
        if self._batches is not None:
            self._batches.update()
            if self._batches.n == self._batches.total:  # benchmarks follow, with lines of their own
                self._close()

    def _close(self) -> None:
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def on_validation_batch_end(self, *_: Any) -> None:
        self._advance()

    def on_test_batch_end(self, *_: Any) -> None:
        self._advance()

    def on_predict_batch_end(self, *_: Any) -> None:
        self._advance()

    def on_validation_end(self, *_: Any) -> None:
        self._close()

    def on_test_end(self, *_: Any) -> None:
        self._close()

    def on_predict_end(self, *_: Any) -> None:
        self._close()

    def _bar(self, what: str, unit: str, total: float, done: int = 0) -> tqdm:
        known = int(total) if math.isfinite(total) and total >= 0 else None
        return progress_bar(what, unit, known, done, visible=self._enabled, with_rate=unit != "steps")

    def print(self, *args: Any, sep: str = " ", **kwargs: Any) -> None:
        tqdm.write(sep.join(map(str, args)), **kwargs)


class Parts(L.Callback):
    """Prints which parts are trained and which are frozen, with their numbers of weights, when a fit starts."""

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            print(parts_line(pl_module.model))


def parts_line(model: nn.Module) -> str:
    """Returns a line on a model's parts: "trained: mapper (0.7 M weights); frozen: language (134.5 M)"."""
    counts: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for name, weight in model.named_parameters():
        own = counts[weight.requires_grad]
        part = name.split(".")[0]
        own[part] = own.get(part, 0) + weight.numel()
    told = {
        trained: ", ".join(f"{part} ({number / 1e6:,.1f} M)" for part, number in own.items()) or "nothing"
        for trained, own in counts.items()
    }
    return f"trained weights: {told[True]}; frozen: {told[False]}"


def own_display(callbacks: Iterable[L.Callback], named: Iterable[Any]) -> list[L.Callback]:
    """Returns callbacks in which Lightning's default progress bar and summary are replaced by `StepBar` and `Parts`.

    Args:
        callbacks: callbacks of a Trainer.
        named: callbacks that the configuration names. They stay.
    """
    kept = {id(callback) for callback in named}

    def replaced(callback: L.Callback) -> L.Callback:
        if type(callback) not in DEFAULTS or id(callback) in kept:
            return callback
        return StepBar() if isinstance(callback, ProgressBar) else Parts()

    return [replaced(callback) for callback in callbacks]
