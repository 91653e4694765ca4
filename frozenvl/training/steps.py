"""Exact resume. All that knows Lightning's counters stands here; lightning's minor version is pinned for it.

Lightning restores its counters in the middle of an epoch and then iterates the loader afresh, without skipping
what was trained on. So the batches themselves begin where the counter of optimiser steps says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch

from frozenvl.data.order import rank_slice, seed_from
from frozenvl.util.errors import UserError


class StepBatches:
    """This rank's positions of each optimiser step of the current epoch that is still to come: a list of micro-batches.

    Optimiser step s takes positions s·b … (s+1)·b of the endless order. Lightning's epoch is the whole number of
    steps nearest to one pass; batches run across its end, so no pair is dropped or repeated.

    Args:
        trainer: tells the step, the rank and the accumulation.
        batch_size: b, over all ranks and accumulated micro-batches.
        epoch_length: pairs of one pass.
    """

    def __init__(self, trainer: L.Trainer, batch_size: int, epoch_length: int) -> None:
        self.trainer, self.batch_size = trainer, batch_size
        self.steps = max(1, round(epoch_length / batch_size))
        parts = trainer.accumulate_grad_batches * trainer.world_size
        if batch_size < parts:
            raise UserError(
                f"data.batch_size is {batch_size}, the pairs of a whole optimiser step, but it is divided among "
                f"{trainer.world_size} ranks × {trainer.accumulate_grad_batches} accumulated batches; raise it"
            )
        if trainer.world_size > 1 and getattr(trainer, "_val_check_time_interval", None) is not None:
            raise UserError(
                "trainer.val_check_interval is a time, which each rank would tell by its own clock; "
                "make it a number of batches"
            )
        every = trainer.val_check_interval
        if isinstance(every, float):
            every = max(1, int(len(self) * trainer.accumulate_grad_batches * every))
        if isinstance(every, int) and every % trainer.accumulate_grad_batches:
            raise UserError(
                f"trainer.val_check_interval is {every} batches, which ends in the middle of an optimiser step of "
                f"{trainer.accumulate_grad_batches} accumulated batches; make it a multiple of that"
            )

    def __len__(self) -> int:
        """Optimiser steps of an epoch."""
        return self.steps

    def __iter__(self) -> Iterator[list[list[int]]]:
        first = self.trainer.global_step
        for step in range(first, (first // self.steps + 1) * self.steps):
            yield self._micro_batches(step * self.batch_size)

    def _micro_batches(self, start: int) -> list[list[int]]:
        trainer, accumulate = self.trainer, self.trainer.accumulate_grad_batches
        cut = [rank_slice(start, start + self.batch_size, micro, accumulate) for micro in range(accumulate)]
        return [
            list(rank_slice(part.start, part.stop, trainer.global_rank, trainer.world_size)) for part in cut
        ]


class DueValidation(L.Callback):
    """Does a validation again that was due, or being done, when the process ended; Lightning would go on behind it.

    Stands before all that writes checkpoints, whose content says whether one is still due.
    """

    def __init__(self) -> None:
        self.due = False
        """Whether the validation that belongs to the current step is still to be done."""
        self._max_steps: int | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"due": self.due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.due = state_dict["due"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.due:  # also behind the last step, where Lightning would not begin at all
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
        self.due = False  # also where validation has become none

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        self.due = bool(loop._should_check_val_fx(trainer.fit_loop._data_fetcher))  # type: ignore[arg-type]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.due = False


def recount(checkpoint: dict[str, Any], accumulate: int) -> None:
    """Restates Lightning's count of batches in a checkpoint for a run that accumulates another number of them."""
    steps = checkpoint["global_step"]
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    done = progress["total"]["ready"]
    for counts in (progress["total"], progress["current"]):
        counts.update({key: count * steps * accumulate // max(done, 1) for key, count in counts.items()})


def seed_step(seed: int, step: int, micro: int, rank: int) -> None:
    """Seeds torch for one micro-batch, so that dropout after a resume is what it would have been."""
    torch.manual_seed(seed_from("step", seed, step, micro, rank))
