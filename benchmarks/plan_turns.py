"""Callbacks that measure the fits of `plan.py` and `scaling.py`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import lightning as L
import torch
from torch import Tensor, distributed

from frozenvl.plan.fit_spec import Planned
from frozenvl.plan.timing import Pieces, reading
from frozenvl.training.checkpoint import read_checkpoint
from frozenvl.training.parsing import configuration_parser

WARM = 1
"""Number of steps at the start that are not counted."""


class Turns(L.Callback):
    """Callback that times each step of a fit and, after it, the pieces from which the plan computes a step.

    Both are in seconds of processor time.

    Args:
        options: command-line options of the fit.
        out: JSON file for the seconds of a step, planned and real.
    """

    def __init__(self, options: list[str], out: Path) -> None:
        self.options, self.out = options, out
        self.took: list[float] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        planned = Planned(configuration_parser()(self.options), precision=pl_module.precision)
        batches = sorted(planned.batches(planned.batch_size), key=lambda batch: int(batch.lengths.sum()))
        self.pieces = Pieces(planned, batches[len(batches) // 2], time.process_time)
        self.reading = reading(planned, planned.batch_size, time.process_time)
        self.since = time.process_time()

    def on_train_batch_end(self, *_: Any) -> None:
        self.took.append(time.process_time() - self.since)
        self.pieces.turn()
        self.since = time.process_time()

    def on_train_end(self, *_: Any) -> None:
        seconds = {"planned": self.pieces.seconds + self.reading, "real": median(self.took[WARM:])}
        self.out.write_text(json.dumps(seconds))


class Communication(L.Callback):
    """Callback that times steps, the all-reduce of gradients within them, and writing and reading a checkpoint.

    Args:
        out: JSON file for the measurements.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.sent = out, 0
        self.took: list[tuple[float, float]] = []
        self.waited = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.world_size > 1:
            trainer.strategy.model.register_comm_hook(None, self._sum)  # type: ignore[union-attr, operator]
        self.since = time.perf_counter()

    def _sum(self, _, bucket):  # no annotations: torch refuses them as strings
        """Averages a bucket of gradients as DDP does, but waits for it, so that it can be timed."""
        start = time.perf_counter()
        gradients = bucket.buffer().div_(distributed.get_world_size())
        distributed.all_reduce(gradients)
        self.waited += time.perf_counter() - start
        self.sent += gradients.numel() * gradients.element_size()
        done: torch.futures.Future[Tensor] = torch.futures.Future()
        done.set_result(gradients)
        return done

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        self.took.append((now - self.since, self.waited))
        self.since, self.waited = now, 0.0

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        path, start = self.out.with_suffix(".ckpt"), time.perf_counter()
        trainer.save_checkpoint(path)
        written = time.perf_counter()
        if trainer.is_global_zero:
            read_checkpoint(path)
            steps = self.took[WARM:]
            measured = {
                "seconds": median(step for step, _ in steps),
                "waited": median(waited for _, waited in steps),
                "bytes_a_step": self.sent / len(self.took),
                "write": written - start,
                "read": time.perf_counter() - written,
                "checkpoint": path.stat().st_size,
            }
            self.out.write_text(json.dumps(measured))
