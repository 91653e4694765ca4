"""Optimisers: parameter groups with a learning rate per part of the model, schedules, and the switches of some."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from frozenvl.util.errors import UserError

Schedule = Literal["constant", "linear", "cosine"]
OTHER_OPTIMIZER = "choose another optimiser, such as torch.optim.AdamW"
UNFIT: dict[type[torch.optim.Optimizer], str] = {
    torch.optim.LBFGS: "evaluates the loss of a step several times, but a step's batch is read once",
    torch.optim.SparseAdam: "needs sparse gradients, and all gradients here are dense",
}
"""Optimisers that cannot train here → reason."""

SCHEDULES: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}
"""Schedules: share of the steps after the warm-up that is done → factor of the peak learning rate."""


def parameter_groups(parts: Mapping[str, nn.Module], rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Returns an optimiser parameter group for each part that has trained weights.

    Weights that a part excludes from weight decay (`Part.undecayed`) are in a group of their own.

    Args:
        parts: parts of a model by name. LoRA's weights belong to the language model.
        rates: learning rates by part; other parts use the optimiser's.

    Raises:
        UserError: if `rates` names a part without trained weights.
    """
    groups: list[dict[str, Any]] = []
    trained_parts = []
    for name, part in parts.items():
        trained = {key: weight for key, weight in part.named_parameters() if weight.requires_grad}
        if not trained:
            continue
        trained_parts.append(name)
        rate = {"lr": rates[name]} if name in rates else {}
        fixed = [trained.pop(key) for key in getattr(part, "undecayed", ()) if key in trained]
        if trained:
            groups.append({"params": list(trained.values()), "name": name} | rate)
        if fixed:
            groups.append({"params": fixed, "name": f"{name} (no weight decay)", "weight_decay": 0.0} | rate)
    if unknown := rates.keys() - set(trained_parts):
        raise UserError(
            f"model.rates names {min(unknown)}, but what is trained is {', '.join(trained_parts)}"
        )
    return groups


def made_optimizer(
    make: Callable[[Any], torch.optim.Optimizer], groups: list[dict[str, Any]]
) -> torch.optim.Optimizer:
    """Makes an optimiser of parameter groups.

    Raises:
        UserError: if it does not take the groups or its arguments, or cannot train here.
    """
    try:
        optimizer = make(groups)
    except (TypeError, ValueError, RuntimeError) as error:
        message = " ".join(str(error).split())[:300]
        raise UserError(f"model.optimizer: {message}; {OTHER_OPTIMIZER}") from error
    for kind, reason in UNFIT.items():
        if isinstance(optimizer, kind):
            raise UserError(f"model.optimizer: {kind.__name__} {reason}; {OTHER_OPTIMIZER}")
    return optimizer


def switch(optimizers: Iterable[torch.optim.Optimizer], mode: Literal["train", "eval"]) -> bool:
    """Calls `train()` or `eval()` of schedule-free optimisers, which step and evaluate at different weights.

    Returns:
        True if there was one to call. Other optimisers have no such methods.
    """
    switches = [method for optimizer in optimizers if callable(method := getattr(optimizer, mode, None))]
    for method in switches:
        method()
    return bool(switches)


def scheduled(
    optimizer: torch.optim.Optimizer, schedule: Schedule, warmup_steps: int, steps: float
) -> LambdaLR:
    """Returns a scheduler with a linear warm-up from 0, then the schedule down to the last of `steps`.

    Args:
        steps: number of steps of the run; infinite if only its time or a callback ends it.

    Raises:
        UserError: if the run ends before the warm-up does, or the schedule needs an end and there is none.
    """
    if schedule != "constant" and math.isinf(steps):
        raise UserError(
            f"model.schedule is {schedule}, which needs to know the last step; give --trainer.max_steps, or "
            "--model.schedule constant"
        )
    if schedule != "constant" and 0 < steps <= warmup_steps:
        raise UserError(f"model.warmup_steps is {warmup_steps}, the run has only {steps} steps; lower it")

    def rate(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return SCHEDULES[schedule](min(1.0, (step - warmup_steps) / max(steps - warmup_steps, 1)))

    return LambdaLR(optimizer, rate)


def set_rates(scheduler: LambdaLR) -> None:
    """Sets the learning rates of the coming step: a checkpoint holds those of a schedule with another last step."""
    for group, rate, factor in zip(
        scheduler.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
    ):
        group["lr"] = rate * factor(scheduler.last_epoch)
