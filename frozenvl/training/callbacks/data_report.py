"""Writes `data_report.json`: every unreadable sample of a run with the reason, and every conversation that was cut."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.model.batch import Batch
from frozenvl.util.distributed import gather
from frozenvl.util.errors import RunError
from frozenvl.util.files import read_json, write_atomically

ENOUGH = 1000
"""Minimum number of samples for the unreadable share, so that one bad image in the first batch stops no run."""


class DataReport(L.Callback):
    """Lists unreadable samples of all ranks, prints their number at the end, and stops a run with too many.

    Conversations that were cut, because they were too long, are listed at each validation and at the end.

    Args:
        due: returns whether the validation after the step of the resumed checkpoint is still to be done.
    """

    def __init__(self, due: Callable[[], bool]) -> None:
        self.due = due
        self.training: list[dict[str, Any]] = []
        self.validation: list[dict[str, Any]] = []
        self.cut: list[dict[str, Any]] = []
        self._pending: list[tuple[str, str]] = []
        self._cut: list[tuple[str, str]] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restores the rows of earlier steps when a run is resumed."""
        path = report_path(trainer)
        if trainer.global_step and trainer.is_global_zero and path.is_file():
            report, validated = read_json(path), trainer.global_step - self.due()
            self.training = [row for row in report["training"] if row["step"] < trainer.global_step]
            self.validation = [row for row in report["validation"] if row["step"] <= validated]
            self.cut = [row for row in report.get("cut", ()) if row["step"] <= trainer.global_step]
        rows = self.training, self.validation, self.cut
        self.training, self.validation, self.cut = trainer.strategy.broadcast(rows)
        data = trainer.datamodule  # type: ignore[attr-defined]
        for task, count in data.overlapping.items() if trainer.is_global_zero else ():
            fate = "left out" if data.overlap == "exclude" else "kept, since data.overlap is count"
            print(
                f"frozenvl: {count} examples of data.train.{task} show photographs used in validation: {fate}",
                file=sys.stderr,
            )
        for task, notes in data.notes.items() if trainer.is_global_zero else ():
            for reason, count in notes.items():
                print(f"frozenvl: data.{task}: {count:,} {reason}", file=sys.stderr)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._pending += batch.unreadable
        self._cut += batch.cut
        if not pl_module.unreadable:  # the same on all ranks: either all gather or none does
            return
        pl_module.unreadable = 0
        self.training += self._gathered(trainer.global_step - 1)
        self._write(trainer)
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        seen = data.start.pairs + (trainer.global_step - data.start.step) * data.batch_size
        limit = data.max_unreadable
        if len(self.training) > limit * max(seen, ENOUGH):
            raise RunError(
                f"{len(self.training)} of {seen} training samples cannot be read, more than data.max_unreadable "
                f"({limit:.2g}) allows; {report_path(trainer)} lists them; the last: {self.training[-1]['reason']}"
            )

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._pending += batch.unreadable
        self._cut += batch.cut

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows, cut = self._gathered(trainer.global_step), self._gathered_cut(trainer.global_step)
        if (rows or cut) and not trainer.sanity_checking:
            self.validation += rows
            self.cut += cut
            self._write(trainer)

    on_test_epoch_end = on_validation_epoch_end

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.cut += self._gathered_cut(trainer.global_step)
        self._write(trainer)
        self._say(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn != "fit":
            self._say(trainer)

    on_test_end = on_validation_end

    def _gathered(self, step: int) -> list[dict[str, Any]]:
        pending, self._pending = self._pending, []
        return _of_all_ranks(pending, step)

    def _gathered_cut(self, step: int) -> list[dict[str, Any]]:
        cut, self._cut = self._cut, []
        return _of_all_ranks(cut, step)

    def _write(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero:
            report = {
                "overlap": trainer.datamodule.overlapping,  # type: ignore[attr-defined]
                "notes": trainer.datamodule.notes,  # type: ignore[attr-defined]
                "training": self.training,
                "validation": self.validation,
                "cut": self.cut,
            }
            write_atomically(report_path(trainer), json.dumps(report, indent=1, ensure_ascii=False) + "\n")

    def _say(self, trainer: L.Trainer) -> None:
        if not trainer.is_global_zero:
            return
        if self.training or self.validation:
            print(
                f"frozenvl: {len(self.training)} training samples could not be read and were replaced, "
                f"{len(self.validation)} validation samples could not be read; {report_path(trainer)} lists them",
                file=sys.stderr,
            )
        if self.cut:
            print(
                f"frozenvl: {len(self.cut):,} times, a conversation was too long and was cut after its last whole turn "
                f"that fits; {report_path(trainer)} lists them",
                file=sys.stderr,
            )


def _of_all_ranks(rows: list[tuple[str, str]], step: int) -> list[dict[str, Any]]:
    """Returns the (sample id, reason) rows of all ranks as objects with their step."""
    gathered = sorted(row for rank_rows in gather(rows) for row in rank_rows)
    return [{"step": step, "sample": sample, "reason": reason} for sample, reason in gathered]


def report_path(trainer: L.Trainer) -> Path:
    """Returns the path of `data_report.json` in the run's folder."""
    return Path(trainer.default_root_dir) / "data_report.json"
