"""Parameter groups with a learning rate per part of the model, and learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from frozenvl.util.errors import UserError

Schedule = Literal["constant", "linear", "cosine"]

SCHEDULES: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}
"""Schedules: share of the steps after the warm-up that is done → factor of the peak learning rate."""


def parameter_groups(parts: Mapping[str, nn.Module], rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Returns an optimiser parameter group for each part that has trained weights.

    Args:
        parts: parts of a model by name. LoRA's weights belong to the language model.
        rates: learning rates by part; other parts use the optimiser's.

    Raises:
        UserError: if `rates` names a part without trained weights.
    """
    groups = {}
    for name, part in parts.items():
        if trained := [weight for weight in part.parameters() if weight.requires_grad]:
            groups[name] = {"params": trained, "name": name} | ({"lr": rates[name]} if name in rates else {})
    if unknown := rates.keys() - groups.keys():
        raise UserError(f"model.rates names {min(unknown)}, but what is trained is {', '.join(groups)}")
    return list(groups.values())


def scheduled(
    optimizer: torch.optim.Optimizer, schedule: Schedule, warmup_steps: int, steps: float
) -> LambdaLR:
    """Returns a scheduler with a linear warm-up from 0, then the schedule down to the last of `steps`.

    Args:
        steps: number of steps of the run; infinite if only its time is limited.

    Raises:
        UserError: if the run ends before the warm-up does, or the schedule needs an end and there is none.
    """
    if schedule != "constant" and math.isinf(steps):
        raise UserError(
            f"model.schedule is {schedule}, which needs to know the last step; give --trainer.max_steps, or "
            "--model.schedule constant"
        )
    if schedule != "constant" and steps <= warmup_steps:
        raise UserError(f"model.warmup_steps is {warmup_steps}, the run has only {steps} steps; lower it")

    def rate(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return SCHEDULES[schedule]((step - warmup_steps) / max(steps - warmup_steps, 1))

    return LambdaLR(optimizer, rate)
