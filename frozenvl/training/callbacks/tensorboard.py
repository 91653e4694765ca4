"""Keeps each step once in TensorBoard when a run is resumed, as `history.jsonl` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from frozenvl.evaluation.score_file import score_files
from frozenvl.training.callbacks.history import history_path
from frozenvl.util.files import read_json, read_lines
from frozenvl.util.gallery import log_png


class PurgeTensorBoard(L.Callback):
    """Hides what an interrupted run logged to TensorBoard after the checkpoint that it is resumed from.

    Must come before `History` and `DueValidation`, which change what this callback reads.

    Args:
        due: returns whether the validation after the step of the resumed checkpoint is still to be done.
    """

    def __init__(self, due: Callable[[], bool]) -> None:
        self.due = due

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        step = trainer.global_step
        if not step or not trainer.is_global_zero:
            return
        # Lightning logs a step and its validation under the number of steps before it: `history.jsonl` has step + 1.
        rows = [row for row in read_lines(history_path(trainer)) if row["step"] == step]
        trained = {key: value for row in rows for key, value in row.items() if key.startswith("train/")}
        repeats = self.due() and any("train/loss" not in row for row in rows)
        for logger in trainer.loggers:
            if not isinstance(logger, TensorBoardLogger):
                continue
            purge(logger, step - repeats)
            if repeats:  # the step is purged with its validation, and is not trained again
                logger.log_metrics(trained | {"epoch": trainer.current_epoch}, step - 1)
            if not self.due():  # galleries are logged under the step itself, and were purged
                for name, png in galleries(Path(trainer.default_root_dir), step):
                    log_png(logger.experiment, f"{name}/gallery", png, step)


def purge(logger: TensorBoardLogger, step: int) -> None:
    """Hides all events of a logger's folder from a step on. Same as `purge_step` of a new `SummaryWriter`."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    writer = logger.experiment._get_file_writer()  # type: ignore[union-attr]
    writer.add_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))


def galleries(run: Path, step: int) -> Iterator[tuple[str, bytes]]:
    """Yields the name and the gallery, as PNG, of each evaluation of a step."""
    for file in score_files(run):
        path = file.with_name("gallery.png")
        if path.is_file() and read_json(file).get("step") == step:
            yield str(file.parent.relative_to(run / "evaluation")), path.read_bytes()
