"""Exact resume. All code that depends on Lightning's counters is here; lightning's minor version is pinned for it.

After a resume Lightning restores its counters in the middle of an epoch, but restarts the loader without skipping
trained batches. So `StepBatches` starts at the current optimiser step itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch

from frozenvl.data.order import rank_slice, seed_from
from frozenvl.util.errors import UserError


class StepBatches:
    """Batch sampler: yields this rank's micro-batches of positions for each remaining optimiser step of the epoch.

    Optimiser step s takes positions s·b … (s+1)·b of the endless order. Lightning's epoch is the whole number of
    steps nearest to one pass; batches run across its end, so no pair is dropped or repeated.

    Args:
        trainer: trainer with the current step, the rank and the accumulation.
        batch_size: batch size b, over all ranks and accumulated micro-batches.
        epoch_length: number of pairs in one pass over the data.

    Raises:
        UserError: if the batch cannot be divided, or validation would fall into the middle of a step.
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
        """Number of optimiser steps per epoch."""
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


def recount(checkpoint: dict[str, Any], accumulate: int) -> None:
    """Rescales Lightning's batch counters in a checkpoint to `accumulate` micro-batches per optimiser step."""
    steps = checkpoint["global_step"]
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    done = progress["total"]["ready"]
    for counts in (progress["total"], progress["current"]):
        counts.update({key: count * steps * accumulate // max(done, 1) for key, count in counts.items()})


def seed_step(seed: int, step: int, micro: int, rank: int) -> None:
    """Seeds torch for one micro-batch, so that dropout is the same after a resume."""
    torch.manual_seed(seed_from("step", seed, step, micro, rank))
