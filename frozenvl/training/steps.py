"""Exact resume. All code that depends on Lightning's counters is here; lightning's minor version is pinned for it.

After a resume Lightning restores its counters in the middle of an epoch, but restarts the loader without skipping
trained batches. So `StepBatches` starts at the current optimiser step itself, and a checkpoint records its position.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch

from frozenvl.data.lanes import rank_slice
from frozenvl.data.order import Order
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from


@dataclass(frozen=True)
class Start:
    """Start of a process's part of a run: the beginning of the run, or the checkpoint that it resumes from."""

    step: int = 0
    """Number of optimiser steps before it."""
    pairs: int = 0
    """Position of its first pair in the endless order."""
    epoch: int = 0
    """Number of epochs completed before it."""
    epoch_step: int = 0
    """Number of optimiser steps of the current epoch before it."""


class StepBatches:
    """Batch sampler: yields this rank's micro-batches of positions for each remaining optimiser step of the epoch.

    Each optimiser step takes the next b positions of the endless order. A pass is the whole number of steps nearest to
    one pass over the data; batches run across its end, so no pair is dropped or repeated. An epoch is a pass, or what
    the Trainer limits it to. With `overfit_batches` every epoch takes the same positions.

    Args:
        trainer: trainer with the current step, the rank, the accumulation and its limits.
        batch_size: batch size b, over all ranks and accumulated micro-batches.
        order: order of the pairs. It knows the length of a pass over the data, and divides a batch among ranks.
        start: start of this process's part of the run (default: the run's beginning).

    Raises:
        UserError: if the batch cannot be divided, lanes do not fit it, an epoch or a validation would end in the
            middle of a step, or validations are further apart than epochs are long.
    """

    def __init__(self, trainer: L.Trainer, batch_size: int, order: Order, start: Start | None = None) -> None:
        self.trainer, self.batch_size, self.order = trainer, batch_size, order
        self.start = start or Start()
        self.pass_steps = max(1, round(order.epoch_length() / batch_size))
        accumulate = trainer.accumulate_grad_batches
        if batch_size < accumulate * trainer.world_size:
            raise UserError(
                f"data.batch_size is {batch_size}, the pairs of a whole optimiser step, but it is divided among "
                f"{trainer.world_size} ranks × {accumulate} accumulated batches; raise it"
            )
        if self.order.lanes > 1:
            check_lanes(self.order.lanes, batch_size, accumulate, trainer.world_size)
        batches = epoch_batches(trainer, self.pass_steps * accumulate)
        self.steps = batches // accumulate
        """Number of optimiser steps per epoch."""
        self.repeats = bool(trainer.overfit_batches)  # type: ignore[attr-defined]
        """True if each epoch takes the same positions."""
        check_validation_interval(trainer, batches)

    def __len__(self) -> int:
        """Number of optimiser steps per pass; Lightning applies the Trainer's limits itself."""
        return self.pass_steps

    def __iter__(self) -> Iterator[list[list[int]]]:
        step = self.trainer.global_step
        done = (step - self.start.step + self.start.epoch_step) % self.steps
        first = self.position(step) + (done * self.batch_size if self.repeats else 0)
        for ahead in range(self.steps - done):
            yield self._micro_batches(first + ahead * self.batch_size)

    def position(self, step: int) -> int:
        """Returns the position of the first pair of an optimiser step in the endless order.

        With `overfit_batches` this is where the repeated pairs start: no pair behind them was seen.
        """
        if self.repeats:
            return self.start.pairs
        return self.start.pairs + (step - self.start.step) * self.batch_size

    @property
    def last(self) -> float:
        """Number of optimiser steps of the run; infinite if only its time or a callback ends it."""
        trainer, start = self.trainer, self.start
        last = float("inf") if trainer.max_steps == -1 else trainer.max_steps
        if trainer.max_epochs in (None, -1):
            return last
        return min(last, start.step + self.steps * (trainer.max_epochs - start.epoch) - start.epoch_step)

    def record(self) -> dict[str, int]:
        """Returns what a checkpoint records of the data: the next position, and how its pairs were counted."""
        return {
            "pairs": self.position(self.trainer.global_step),
            "batch_size": self.batch_size,
            "accumulated": self.trainer.accumulate_grad_batches,
        }

    def _micro_batches(self, start: int) -> list[list[int]]:
        trainer, accumulate = self.trainer, self.trainer.accumulate_grad_batches
        cut = [rank_slice(start, start + self.batch_size, micro, accumulate) for micro in range(accumulate)]
        return [self.order.split(part, trainer.global_rank, trainer.world_size) for part in cut]


def check_lanes(lanes: int, batch_size: int, accumulate: int, ranks: int) -> None:
    """Checks that all ranks have equally many lanes, and all lanes equally many pairs of a micro-batch.

    Raises:
        UserError: if they do not.
    """
    if lanes % ranks and ranks % lanes:
        fitting = ", ".join(str(count) for count in range(1, lanes + 1) if lanes % count == 0)
        raise UserError(
            f"data.lanes is {lanes}, which {ranks} ranks cannot share equally; use {fitting} or a multiple of "
            f"{lanes} ranks, or for a new run another data.lanes"
        )
    if batch_size % (lanes * accumulate):
        parts = f"{lanes} lanes (data.lanes)" + (
            f" × {accumulate} accumulated batches" if accumulate > 1 else ""
        )
        raise UserError(
            f"data.batch_size is {batch_size}, but it is divided equally among {parts}; make it a multiple of "
            f"{lanes * accumulate}"
        )


def epoch_batches(trainer: L.Trainer, batches: int) -> int:
    """Returns the number of micro-batches per epoch under the Trainer's limits, of `batches` in a pass.

    Raises:
        UserError: if an epoch would end in the middle of an optimiser step, or has no batch.
    """
    limit, accumulate = trainer.limit_train_batches, trainer.accumulate_grad_batches
    name = "limit_train_batches"
    if trainer.overfit_batches:  # type: ignore[attr-defined]
        name = "overfit_batches"
    elif trainer.fast_dev_run:  # type: ignore[attr-defined]
        name = "fast_dev_run"
    limited = min(limit, batches) if isinstance(limit, int) else int(batches * limit)
    if limit and not limited:
        raise UserError(
            f"trainer.{name} is {limit} of the {batches} batches of a pass, less than one; raise it"
        )
    if limited % accumulate:
        raise UserError(
            f"trainer.{name} lets an epoch end after {limited} batches, in the middle of an optimiser step of "
            f"{accumulate} accumulated batches; make it a multiple of that"
        )
    return limited


def check_validation_interval(trainer: L.Trainer, batches: int) -> None:
    """Checks that validations come between optimiser steps, on all ranks alike, and within an epoch of `batches`.

    Raises:
        UserError: if they do not.
    """
    accumulate = trainer.accumulate_grad_batches
    if getattr(trainer, "_val_check_time_interval", None) is not None:
        if trainer.world_size > 1:
            raise UserError(
                "trainer.val_check_interval is a time, which each rank would tell by its own clock; "
                "make it a number of batches"
            )
        if accumulate > 1:
            raise UserError(
                "trainer.val_check_interval is a time, which may be up in the middle of an optimiser step of "
                f"{accumulate} accumulated batches; make it a number of batches"
            )
        return
    every = trainer.val_check_interval
    if isinstance(every, float):
        every = max(1, int(batches * every))
    elif (
        every > batches > 0 and trainer.check_val_every_n_epoch is not None and trainer.limit_val_batches > 0
    ):
        raise UserError(
            f"trainer.val_check_interval is {every} batches, an epoch has {batches}; lower it, or set "
            "trainer.check_val_every_n_epoch to null, which counts batches over all epochs"
        )
    if every % accumulate:
        raise UserError(
            f"trainer.val_check_interval is {every} batches, which ends in the middle of an optimiser step of "
            f"{accumulate} accumulated batches; make it a multiple of that"
        )


def resume(checkpoint: dict[str, Any], batches: StepBatches) -> Start:
    """Returns where a resumed run starts. Rewrites Lightning's batch counters in the checkpoint to today's steps.

    The batch size, the accumulation and the length of an epoch may differ from those of the checkpoint.

    Args:
        checkpoint: Lightning's checkpoint, whose counters are rewritten.
        batches: sampler of the resumed run.
    """
    step, loop = checkpoint["global_step"], checkpoint["loops"]["fit_loop"]
    progress = loop["epoch_loop.batch_progress"]
    total, current = progress["total"], progress["current"]
    record = checkpoint["frozenvl"].get("data") or earlier_record(checkpoint, batches.batch_size)
    # 1 if it was saved after an error in the middle of a step, which is done again.
    unfinished = total["ready"] // record["accumulated"] - step
    whole = progress["is_last_batch"] and not unfinished
    done = current["ready"] // record["accumulated"] - unfinished
    done = round(done * record["batch_size"] / batches.batch_size)
    done = batches.steps if whole else max(0, min(done, batches.steps - 1))
    progress["is_last_batch"] = whole
    uncompleted = total["processed"] - total["completed"]  # 1 if it was saved in `on_train_batch_end`
    for counts, steps in ((total, step), (current, done)):
        ready = steps * batches.trainer.accumulate_grad_batches
        counts.update(ready=ready, started=ready, processed=ready, completed=ready - uncompleted)
    epochs = loop["epoch_progress"]["current"]["ready"]
    return Start(step, record["pairs"], epochs if whole else max(0, epochs - 1), 0 if whole else done)


def earlier_record(checkpoint: dict[str, Any], batch_size: int) -> dict[str, int]:
    """Returns the record of the data (`StepBatches.record`) for checkpoints of versions that did not write it.

    The callback `Cost` has counted the pairs there. Without it, the batch size is taken to be today's.
    """
    steps = max(1, checkpoint["global_step"])
    batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"]
    cost = checkpoint.get("callbacks", {}).get("Cost", {})
    pairs = cost.get("pairs", checkpoint["global_step"] * batch_size)
    return {"pairs": pairs, "batch_size": pairs // steps, "accumulated": max(1, batches // steps)}


class DueValidation(L.Callback):
    """Runs a validation on resume that was due or unfinished when the process ended. Lightning would skip it.

    Must come before the callbacks that write checkpoints, because its state says whether a validation is due.
    """

    def __init__(self) -> None:
        self.due = False
        """True if the validation after the current step has not been completed."""
        self._max_steps: int | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"due": self.due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.due = state_dict["due"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.due:  # after the last step Lightning would not start at all, so lift its limit
            loop = trainer.fit_loop.epoch_loop
            self._max_steps, loop.max_steps = loop.max_steps, -1

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps, self._max_steps = self._max_steps, None
        if not self.due:
            return
        validation, connector = trainer.fit_loop.epoch_loop.val_loop, trainer._logger_connector
        first = connector._first_loop_iter
        validation.restarting = False
        trainer.validating = True
        validation.run()
        trainer.training = True
        connector._first_loop_iter = first
        self.due = False  # also if the new configuration has no validation

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        self.due = bool(loop._should_check_val_fx(trainer.fit_loop._data_fetcher))  # type: ignore[arg-type]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.due = False


def seed_step(seed: int, step: int, micro: int, rank: int) -> None:
    """Seeds torch for one micro-batch, so that dropout is the same after a resume."""
    torch.manual_seed(seed_from("step", seed, step, micro, rank))
