"""Measures training throughput: time of each part of a step, and share of the device's peak."""

from __future__ import annotations

import time
from collections import deque
from functools import cache
from typing import Any, NamedTuple

import lightning as L
import torch

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.vision.feature_cache import CachedFeatures


class Work(NamedTuple):
    """Positions of an optimiser step in the language model."""

    tokens: int = 0
    """Number of target tokens."""
    positions: int = 0
    """Number of real (non-padding) positions."""
    padding: int = 0
    """Number of padding positions."""


@cache
def matrix_peak(device: torch.device, dtype: torch.dtype, side: int = 2048) -> float:
    """Measures the peak operations per second of square matrix products, in less than a second; once in a process.

    The matrices are smaller than `side` if the processor emulates `dtype`: in bf16, 2,048 rows can take minutes.
    """
    rows = 128
    while rows < side and 8 * product_seconds(rows, device, dtype) < 0.5:
        rows *= 2
    best, begun = 0.0, time.perf_counter()
    while best == 0 or time.perf_counter() - begun < 0.2:
        best = max(best, 2 * rows**3 / product_seconds(rows, device, dtype))
    return best


def product_seconds(rows: int, device: torch.device, dtype: torch.dtype) -> float:
    """Measures the seconds of one product of square matrices."""
    a = torch.ones(rows, rows, dtype=dtype, device=device)
    start = time.perf_counter()
    (a @ a)[0, 0].item()
    return time.perf_counter() - start


def operations(language: FrozenLanguageModel, work: Work) -> float:
    """Returns the minimum number of operations of a step in the frozen language model.

    The forward pass takes 2 per weight and position, and the backward pass to the inputs takes as many. The head is
    only applied to target positions.
    """
    body, head = language.weights
    return 4.0 * (body * work.positions + head * work.tokens)


PARTS = ("data", "forward", "backward", "optimizer", "rest")
"""Parts of a step, logged as `time/…`."""
RECENT = 1000
"""Number of last steps whose times are kept."""


class Speed(L.Callback):
    """Logs the seconds of a step's parts (`time/…`) and throughput (`speed/…`), as means since the last log.

    - `speed/pairs_per_second` and `speed/positions_per_second`: over all ranks, padding excluded.
    - `speed/padding`: share of padding positions.
    - `speed/share_of_peak`: minimum operations of the language model's step (`operations`) over the operations that
      large matrix products do in the same time (`matrix_peak`).
    - `speed/encoded_images`: number of images encoded so far in this process's part of the run, over all ranks, if
      features are cached. It stands still once all images were read.

    Validation and checkpoints are not timed. On a GPU, each part ends with a synchronisation.
    """

    _since = 0.0

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=RECENT)
        """Seconds per step of the last `RECENT` steps."""

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        device = trainer.strategy.root_device
        half = pl_module.precision == "bf16"
        peak = torch.tensor(matrix_peak(device, torch.bfloat16 if half else torch.float32), device=device)
        self._peak = float(trainer.strategy.reduce(peak, reduce_op="sum"))
        self._device = device
        self._waited = waited(trainer)
        self._clear()

    def _clear(self) -> None:
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._work, self._steps, self._recorded = [0, 0, 0], 0, 0.0

    def _part(self, name: str) -> None:
        """Adds the time since the last call to a part."""
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
        now = time.perf_counter()
        self._seconds[name] += now - self._since
        self._since = now

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        before, self._waited = self._waited, waited(trainer)
        # A loader made anew (`reload_dataloaders_every_n_epochs`) starts at 0.
        self._seconds["data"] += self._waited - (before if before <= self._waited else 0.0)
        self._since = time.perf_counter()

    def on_before_backward(self, *_: Any) -> None:
        self._part("forward")

    def on_after_backward(self, *_: Any) -> None:
        self._part("backward")

    def on_before_optimizer_step(self, *_: Any) -> None:
        self._part("rest")

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *_: Any) -> None:
        stepped = pl_module.work != Work()
        self._part("optimizer" if stepped else "rest")
        if not stepped:
            return
        self._work = [done + more for done, more in zip(self._work, pl_module.work, strict=True)]
        self._steps += 1
        seconds = sum(self._seconds.values())
        self.recent.append(seconds - self._recorded)
        self._recorded = seconds
        pl_module.work = Work()
        if logs_step(trainer):
            self._log(trainer, pl_module)
            self._clear()

    def _log(self, trainer: L.Trainer, pl_module: Any) -> None:
        work, seconds = Work(*self._work), sum(self._seconds.values())
        share = operations(pl_module.model.language, work) / seconds / self._peak
        pairs = self._steps * trainer.datamodule.batch_size / seconds  # type: ignore[attr-defined]
        for name, spent in self._seconds.items():
            pl_module.log(f"time/{name}", spent / self._steps)
        pl_module.log("speed/pairs_per_second", pairs, prog_bar=True)
        pl_module.log("speed/positions_per_second", work.positions / seconds)
        pl_module.log("speed/padding", work.padding / max(1, work.positions + work.padding))
        pl_module.log("speed/share_of_peak", share)
        reader = pl_module.processor.reader
        if isinstance(reader, CachedFeatures):
            encoded = torch.tensor(float(reader.cache.encoded), device=self._device)
            pl_module.log(
                "speed/encoded_images",
                float(trainer.strategy.reduce(encoded, reduce_op="sum")),
                prog_bar=True,
            )


def logs_step(trainer: L.Trainer) -> bool:
    """Returns whether the optimiser step that has just ended is logged; none is if `log_every_n_steps` is 0."""
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return every > 0 and trainer.global_step % every == 0


def waited(trainer: L.Trainer) -> float:
    """Returns the seconds spent waiting for training batches so far."""
    loader: Any = trainer.train_dataloader
    return float(loader.waited)
