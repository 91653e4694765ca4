"""Callbacks that record the state of a run, disturb it or end it."""

from __future__ import annotations

import atexit
import json
import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger

from frozenvl.model.mappers import MLP
from frozenvl.objectives import Captioning
from frozenvl.training.module import FrozenModule
from frozenvl.util.distributed import gather
from frozenvl.util.errors import RunError


class Nothing(L.Callback):
    """Does nothing."""


def nothing(*_) -> None:
    """Function of a callback that does nothing."""


def pairs(batch) -> int:
    """Returns the number of pairs of a batch."""
    return len(batch.ids)


class StopAt(L.Callback):
    """Raises right after an optimiser step, before its checkpoint is written."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            raise RunError("broken off")


class StopLater(L.Callback):
    """Raises at the beginning of a step, after all that belongs to the steps before was written."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            raise RunError("broken off")


class StopAfterValidation(L.Callback):
    """Raises after a validation, before `ModelCheckpoint` learns of it."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_validation_end(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            raise RunError("broken off")


class SignalAt(L.Callback):
    """Sends SIGTERM to its process in a training step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *_) -> None:
        if trainer.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


class Remote(Logger):
    """Logger without a folder, whose name and version are those of a server, such as MLflow's."""

    name = "7"
    version = "a1b2"

    def log_metrics(self, metrics, step=None) -> None:
        """Does nothing."""

    log_hyperparams = log_metrics


class BringsCheckpoints(FrozenModule):
    """Module that brings its own ModelCheckpoint."""

    def configure_callbacks(self) -> list[L.Callback]:
        return [ModelCheckpoint(every_n_train_steps=2, save_last=True, save_top_k=0)]


class SameStart(MLP):
    """MLP whose initial weights do not depend on the random state."""

    def __init__(self, channels: int, tokens: int, dim: int, k: int) -> None:
        torch.manual_seed(0)
        super().__init__(channels, tokens, dim, k, hidden=16, dropout=0.1)


class SlowOptimizer(torch.optim.AdamW):
    """AdamW that takes a tenth of a second for each update."""

    def step(self, closure=None):
        loss = super().step(closure)
        time.sleep(0.1)
        return loss


class ScheduleFree(torch.optim.Optimizer):
    """Schedule-free SGD (Defazio et al. 2024), with the interface and the switches of the package `schedulefree`.

    Training weights y are between z, which takes plain steps, and x, the mean of all z, which is evaluated.
    """

    zs: ClassVar[list[torch.Tensor]] = []
    """Weights z after each step, of the first parameter of all instances."""

    def __init__(self, params, lr: float = 0.1, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "k": 0, "train_mode": False})

    @torch.no_grad()
    def _move(self, train: bool) -> None:
        for group in self.param_groups:
            if group["train_mode"] != train:
                weight = 1 - group["momentum"] if train else 1 - 1 / group["momentum"]
                for p in (p for p in group["params"] if p in self.state):
                    p.lerp_(self.state[p]["z"], weight)
            group["train_mode"] = train

    def train(self) -> None:
        self._move(True)

    def eval(self) -> None:
        self._move(False)

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            if not group["train_mode"]:
                raise RuntimeError("not in train mode when step is called")
            group["k"] += 1
            share = 1 / group["k"]
            for p in (p for p in group["params"] if p.grad is not None):
                z = self.state[p].setdefault("z", p.clone())
                p.lerp_(z, share)
                p.add_(p.grad, alpha=group["lr"] * (group["momentum"] * (1 - share) - 1))
                z.sub_(p.grad, alpha=group["lr"])
        first = self.param_groups[0]["params"][0]
        self.zs.append(self.state[first]["z"].clone())
        return loss


class TwiceEvaluated(torch.optim.SGD):
    """Optimiser that evaluates its closure twice a step, as sharpness-aware minimisation does."""

    def step(self, closure=None):
        closure()
        return super().step(closure)


class EndAt(L.Callback):
    """Ends a run in good order after a number of micro-batches, as a time limit does.

    Args:
        batches: number of micro-batches.
    """

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def on_train_batch_end(self, trainer, *_) -> None:
        if trainer.fit_loop.total_batch_idx + 1 == self.batches:
            trainer.should_stop = True


class Accumulate(L.Callback):
    """Changes the accumulation of a run.

    Args:
        step: number of optimiser steps before the change.
        batches: micro-batches per step from then on.
    """

    def __init__(self, step: int, batches: int) -> None:
        self.step, self.batches = step, batches

    def on_train_batch_start(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            trainer.accumulate_grad_batches = self.batches


class Leaving(L.Callback):
    """Writes the names of gloo's threads that still run when Python ends, one file per rank."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_fit_end(self, trainer, module) -> None:
        atexit.register(self.write, trainer.global_rank)

    def write(self, rank: int) -> None:
        names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
        self.folder.mkdir(exist_ok=True)
        (self.folder / str(rank)).write_text(json.dumps([name for name in names if "gloo" in name]))


class Rates(L.Callback):
    """Writes the learning rate of each parameter group."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_end(self, trainer, module) -> None:
        groups = trainer.optimizers[0].param_groups
        self.file.write_text(json.dumps({group["name"]: group["lr"] for group in groups}))


class Seen(L.Callback):
    """Writes the ids of the samples of each optimiser step, one file per rank."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_start(self, trainer, module, batch, index) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / str(trainer.global_rank)).open("a") as file:
            file.write(json.dumps([trainer.global_step, batch.ids]) + "\n")


def seen(folder: str) -> dict[int, list[str]]:
    """Reads the files of `Seen`: step → sample ids of all ranks."""
    steps: dict[int, list[str]] = {}
    for file in sorted(Path(folder).iterdir()):
        for line in file.read_text().splitlines():
            step, ids = json.loads(line)
            steps.setdefault(step, []).extend(ids)
    return {step: sorted(ids) for step, ids in sorted(steps.items())}


class Gradients(L.Callback):
    """Saves the gradients of the first optimiser step."""

    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_batch_end(self, trainer, module, *_) -> None:
        if trainer.global_step == 1 and trainer.is_global_zero:
            torch.save({n: p.grad for n, p in module.named_parameters() if p.grad is not None}, self.file)


class Overflow(L.Callback):
    """Sets a gradient of one step to infinity, while the loss stays finite."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_optimizer_step(self, trainer, module, *_) -> None:
        if trainer.global_step == self.step:
            next(p for p in module.parameters() if p.grad is not None).grad.flatten()[0] = float("inf")


class LanguageModelUntouched(L.Callback):
    """Fails if a run changes a weight of the language model, or takes it out of eval mode."""

    def on_fit_start(self, trainer, module) -> None:
        self.before = {k: v.clone() for k, v in module.model.language.state_dict().items()}

    def on_train_batch_start(self, trainer, module, *_) -> None:
        assert not any(part.training for part in module.model.language.modules())

    def on_fit_end(self, trainer, module) -> None:
        after = module.model.language.state_dict()
        assert all(torch.equal(value, after[key]) for key, value in self.before.items())


class AllBlack(L.Callback):
    """Fails if a run gets an image that is not black."""

    def on_train_batch_start(self, trainer, module, batch, *_) -> None:
        assert batch.images.numel() and not batch.images.any()

    on_validation_batch_start = on_train_batch_start


class KillAt(L.Callback):
    """Kills the run with all its processes, as `kill -9` does, in the middle of an optimiser step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_optimizer_step(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            os.killpg(0, signal.SIGKILL)


class Saved(L.Callback):
    """Saves the model from within a Trainer."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_fit_end(self, trainer, pl_module):
        pl_module.model.save_pretrained(self.folder)


class Wait(L.Callback):
    """Makes processes of a run wait in the middle of a step, so that a signal can reach them there.

    Args:
        step: number of optimiser steps before the wait.
        where: name of the callback hook in which to wait.
        seconds: duration of the wait.
        rank: rank that waits; -1 for all.
    """

    def __init__(
        self, step: int, where: str = "on_before_optimizer_step", seconds: float = 1, rank: int = -1
    ):
        self.step, self.seconds, self.rank = step, seconds, rank
        setattr(self, where, self._wait)

    def _wait(self, trainer, *_) -> None:
        if trainer.global_step == self.step and self.rank in (-1, trainer.global_rank):
            Path(f"waiting-{trainer.global_rank}").write_text(f"{os.getpid()}\n")
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                time.sleep(0.01)


class InStep(L.Callback):
    """Shifts all weights differently on each rank before training; writes which of them agree when training starts."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def setup(self, trainer, module, stage) -> None:
        with torch.no_grad():
            for weight in module.parameters():
                weight.add_(trainer.global_rank / 1000)

    def on_train_start(self, trainer, module) -> None:
        agree, differ = [], []
        for name, weight in module.named_parameters():
            parts = gather(weight.detach().clone())
            (agree if torch.equal(*parts) else differ).append(name)
        reduced = [name for name, weight in module.named_parameters() if weight.requires_grad]
        if trainer.is_global_zero:
            self.file.write_text(json.dumps({"agree": agree, "differ": differ, "reduced": reduced}))


class Held(L.Callback):
    """Writes the number of frozen weights of the language model's layers that rank 0 holds in a training step."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_batch_end(self, trainer, module, *_) -> None:
        frozen = [w for w in module.model.language.layers.parameters() if not w.requires_grad]
        held = sum(getattr(w, "_local_tensor", w).numel() for w in frozen)
        if trainer.is_global_zero:
            self.file.write_text(json.dumps({"frozen": held}))


class LongTargets(Captioning):
    """Objective that selects by value, so that fake tensors cannot run it."""

    def total(self, run):
        (nll,) = (nll for _, nll in run.nll())
        return nll[nll > 1].sum()
