"""`Step`: an optimiser step before its backward passes, for objectives that need all of it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import Processor
from frozenvl.objectives.objective import Loss, count_rows, micro_loss
from frozenvl.util.distributed import gather
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from


@dataclass(frozen=True)
class Prepared:
    """What an objective has prepared for the micro-batches of one rank."""

    micro: Sequence[Any]
    """A value for each micro-batch. `Objective.total` finds it as `run.prepared`."""
    count: float
    """This rank's share of the denominator, in place of the sum of `Objective.count`."""
    sums: Mapping[str, float] = field(default_factory=dict)
    """This rank's sums to log, by name, and their number `n`: training logs Σ ÷ Σ n as `train/OBJECTIVE_NAME`."""


@dataclass(frozen=True)
class Step:
    """An optimiser step as one rank sees it."""

    model: FrozenVL
    processor: Processor | None
    """Processor that made the batches; None if a step is only planned."""
    name: str
    """Name of the objective that prepares."""
    batches: Sequence[Batch]
    """Micro-batches of this rank."""
    number: int
    """Number of optimiser steps before this one."""
    seed: int
    """Seed of the run's dropout."""
    rank: int
    world_size: int

    def run(self, micro: int) -> Forward:
        """Returns the pass of this objective's rows of a micro-batch, with the dropout of its later pass."""
        batch = self.batches[micro].to(self.model.device)
        return self.model.run(batch, seed=pass_seed(self.seed, self.number, micro, self.rank)).of(self.name)

    def generator(self, *purpose: Any) -> torch.Generator:
        """Returns a random generator whose draws depend on the seed, the step and a purpose, and on nothing else."""
        seed = seed_from("prepare", self.name, self.seed, self.number, *purpose)
        return torch.Generator().manual_seed(seed)

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all ranks, in rank order. Tensors have to be on the CPU."""
        return gather(value)


def pass_seed(seed: int, number: int, micro: int, rank: int) -> int:
    """Returns the seed of the dropout of a micro-batch, the same in preparation and training."""
    return seed_from("pass", seed, number, micro, rank)


def prepare_step(
    objectives: Mapping[str, Any],
    model: FrozenVL,
    processor: Processor | None,
    batches: Sequence[Batch],
    **where: int,
) -> dict[str, Prepared]:
    """Lets the objectives prepare an optimiser step, without gradients.

    Args:
        objectives: objectives by name.
        model: model that is trained.
        processor: processor that made the batches.
        batches: micro-batches of this rank.
        where: `number`, `seed`, `rank` and `world_size` of `Step`.

    Returns:
        What each objective has prepared, by name; objectives that prepare nothing are left out.
    """
    prepared: dict[str, Prepared] = {}
    with torch.no_grad():
        for name, objective in objectives.items():
            if objective.prepares and objective.weight:
                made = objective.prepare(Step(model, processor, name, batches, **where))
                if not isinstance(made, Prepared) or len(made.micro) != len(batches):
                    raise UserError(
                        f"model.objectives.{name}: prepare has to return a Prepared with a value for each of the "
                        f"{len(batches)} micro-batches; {type(objective).__name__} returned {type(made).__name__}"
                    )
                prepared[name] = made
    return prepared


def refuse_moving_statistics(model: FrozenVL, what: str) -> None:
    """Raises `UserError` if an objective that embeds batches in advance would change the encoder's statistics twice.

    Args:
        model: model that is trained.
        what: name of the objective, for the message.
    """
    if getattr(model.vision, "moving_statistics", False) and model.vision.trainable:
        raise UserError(
            f"model.objectives: {what} embeds each batch twice, which would count it twice in the "
            "encoder's moving statistics; set moving_statistics to false"
        )


def loss_of_step(objectives: Mapping[str, Any], model: FrozenVL, batch: Batch) -> Loss:
    """Returns the loss of an optimiser step of one micro-batch, with what the objectives prepare for it."""
    where = {"number": 0, "seed": 0, "rank": 0, "world_size": 1}
    prepared = prepare_step(objectives, model, None, [batch], **where)
    counts = count_rows(objectives, [batch]) | {name: each.count for name, each in prepared.items()}
    seed = pass_seed(0, 0, 0, 0) if prepared else None
    run = model.run(batch, seed=seed, prepared={name: each.micro[0] for name, each in prepared.items()})
    return micro_loss(objectives, run, counts)
