"""Writes `cost.json`: parameters, pairs, time and memory of a fit, for reports of its scores."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import lightning as L
import torch

from frozenvl.training.callbacks.throughput import Speed
from frozenvl.util.distributed import gather
from frozenvl.util.files import write_atomically


class Cost(L.Callback):
    """Writes `cost.json` at the end of a fit. A resumed fit includes the cost before its checkpoint.

    Args:
        speed: callback that measures the time of the last steps.
    """

    def __init__(self, speed: Speed) -> None:
        self.speed = speed
        self._pairs, self._seconds, self._memory = 0, 0.0, {"peak_memory_gb": 0.0}
        self._since = time.perf_counter()
        self._batch_size: int | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._since = time.perf_counter()
        batch_size: int = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        if self._batch_size not in (None, batch_size):
            self.speed.recent.clear()  # seconds of steps with other numbers of pairs
        self._batch_size = batch_size

    def on_before_optimizer_step(self, trainer: L.Trainer, *_: Any) -> None:
        self._pairs += trainer.datamodule.batch_size  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        return {
            "pairs": self._pairs,
            "batch_size": self._batch_size,
            "seconds": self._seconds + time.perf_counter() - self._since,
            "steps": list(self.speed.recent),
            "memory": self._peak(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._pairs, self._seconds = state_dict["pairs"], state_dict["seconds"]
        self._memory, self._batch_size = state_dict["memory"], state_dict.get("batch_size")
        self.speed.recent.extend(state_dict["steps"])

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        state, recent = self.state_dict(), self.speed.recent
        batch: int = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        cost = {
            "trained_parameters": sum(p.numel() for p in pl_module.parameters() if p.requires_grad),
            "pairs": self._pairs,
            "pairs_per_second": batch / median(recent) if recent else None,
            "minutes": state["seconds"] / 60,
            **most(gather(state["memory"])),
        }
        if trainer.is_global_zero:
            path = Path(trainer.default_root_dir) / "cost.json"
            write_atomically(path, json.dumps(cost, indent=2) + "\n")

    def _peak(self) -> dict[str, float]:
        """Returns the peak memory of this process and of those that wrote the checkpoint it resumed."""
        return most([self._memory, peak_memory()])


def peak_memory() -> dict[str, float]:
    """Returns the peak memory of this process, and of its GPU if it uses one, in GB (10⁹ bytes)."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peak["gpu_peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return peak


def most(peaks: list[dict[str, float]]) -> dict[str, float]:
    """Returns the maximum of each key."""
    return {
        key: max(peak.get(key, 0.0) for peak in peaks) for key in {k: None for peak in peaks for k in peak}
    }
