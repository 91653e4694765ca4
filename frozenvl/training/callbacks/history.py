"""Writes the run's history: a JSON line per logged step and per validation, and a plot of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.evaluation.score_file import read_score, score_files
from frozenvl.metrics.metric import Metric
from frozenvl.training.callbacks.throughput import logs_step
from frozenvl.util.errors import UserError
from frozenvl.util.figure_text import save_figure
from frozenvl.util.files import cannot_write, read_lines, write_atomically


class History(L.Callback):
    """Appends to `history.jsonl` in the run's folder. A resumed run drops the lines of steps that it repeats.

    The file is reproducible: timings (`throughput`) depend on the machine and go only to the logger.

    Args:
        due: returns whether the validation after the step of the resumed checkpoint is still to be done.
    """

    _last = 0

    def __init__(self, due: Callable[[], bool]) -> None:
        self.due = due

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._last = trainer.global_step  # in `on_fit_start` the checkpoint is not yet loaded
        if trainer.is_global_zero:
            path, step = history_path(trainer), trainer.global_step
            kept = [
                row
                for row in read_lines(path)
                if row["step"] < step or (row["step"] == step and ("train/loss" in row or not self.due()))
            ]
            write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept))

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step > self._last and logs_step(trainer):
            self._append(trainer, "train/")
        self._last = trainer.global_step

    def on_save_checkpoint(self, trainer: L.Trainer, *_: Any) -> None:
        """Flushes the history to disk before a checkpoint is written, so that a resume finds its lines."""
        path = history_path(trainer)
        if trainer.is_global_zero and path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self._append(trainer, "")

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            draw_curve(Path(trainer.default_root_dir))

    def _append(self, trainer: L.Trainer, prefix: str) -> None:
        values = {key: float(value) for key, value in trainer.callback_metrics.items()}
        wanted = {
            key: value
            for key, value in values.items()
            if key.startswith("train/") == bool(prefix) and not key.startswith(("time/", "speed/"))
        }
        if trainer.is_global_zero and wanted:
            path, row = history_path(trainer), {"step": trainer.global_step} | wanted
            try:
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            except OSError as error:
                raise cannot_write(path, error) from None


def history_path(trainer: L.Trainer) -> Path:
    """Returns the path of `history.jsonl` in the run's folder."""
    return Path(trainer.default_root_dir) / "history.jsonl"


def draw_curve(run: Path) -> None:
    """Plots losses and main scores against optimiser steps, to `curve.png` in the run's folder."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = list(read_lines(run / "history.jsonl"))
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "step"]
    losses = [key for key in keys if key.endswith("/loss")]
    metrics: dict[str, Metric] = {}
    for file in score_files(run):
        with suppress(UserError):  # a score file of another version is left out of the plot
            score = read_score(file)
            metrics |= {f"{score.name}/{name}": score.metric(name) for name in score.shown}
    scores = [key for key in keys if key in metrics]
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    for axes, names, title in zip(
        figure.subplots(1, 2),
        (losses, scores),
        ("loss (nats per token)", "scores (percentages from 0 to 1)"),
        strict=True,
    ):
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            scale = 0.01 if name in metrics and metrics[name].unit == "%" else 1
            axes.plot(
                *zip(*((x, y * scale) for x, y in points), strict=True),
                label=name,
                marker="." if len(points) < 30 else "",
            )
        axes.set(xlabel="optimiser step", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if names:
            axes.legend(fontsize=8)
    write_atomically(run / "curve.png", save_figure(figure, dpi=120))
