"""The interface of objectives, and the loss of a micro-batch: each objective's sum over its count in the whole step."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.part import Part
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

RESERVED = ("loss", "lr")
"""Names that training logs itself, as `train/loss`."""


class Objective(Part, ABC):
    """What a model is trained for. A new objective writes `count` and `total`; its weights are trained.

    The loss of an optimiser step is Σ over objectives of weight × total ÷ count, where total and count are sums over
    all samples of the step: on all ranks, in all accumulated micro-batches. So it does not depend on how a step is cut.

    Args:
        weight: factor of this objective in the loss.
    """

    needs: ClassVar[Literal["pixels", "features"]] = "features"
    """What of the images it reads at least. `pixels` rules out a cache of features."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def attach(self, model: FrozenVL) -> None:
        """Makes weights of the model's widths, once; the model is not kept."""

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """The prompts that it wants of a training or validation sample; by default the sample as it is."""
        return (sample,)

    @abstractmethod
    def count(self, batch: Batch) -> int:
        """What a batch of its rows adds to its denominator. It is asked before any backward pass, and of no tensor
        but those of the batch."""

    @abstractmethod
    def total(self, run: Forward) -> Tensor:
        """Its sum over a batch of its rows, which has a gradient: a scalar in fp32."""

    def sums(self, batch: Batch) -> dict[str, float]:
        """What else of a batch is summed up over a validation, for `summary`."""
        return {}

    def summary(self, loss: float, sums: Mapping[str, float]) -> dict[str, float]:
        """What else a validation logs, below `val/`.

        Args:
            loss: total ÷ count over the validation.
            sums: `sums` over the validation, and the `total`.
        """
        return {}


class Loss(NamedTuple):
    """The loss of a micro-batch."""

    value: Tensor
    """Its share of the optimiser step's loss: micro-batches and ranks add up."""
    totals: dict[str, Tensor]
    """Each objective's sum, unweighted and undivided."""


def micro_loss(objectives: Mapping[str, Any], run: Forward, counts: Mapping[str, float]) -> Loss:
    """The loss of a micro-batch, which reaches every trained parameter.

    Args:
        objectives: by name.
        counts: each objective's count over the whole step.
    """
    totals = {name: total_of(objective, run.of(name)) for name, objective in objectives.items()}
    weighted = (total * (objectives[name].weight / max(counts[name], 1)) for name, total in totals.items())
    return Loss(sum(weighted, run.reach()), totals)


def total_of(objective: Any, run: Forward) -> Tensor:
    """An objective's sum over its rows; 0 where it has none, as on a rank without a batch to validate."""
    return objective.total(run) if len(run.batch) else run.prefix.new_zeros((), dtype=torch.float32)


def count_rows(objectives: Mapping[str, Any], batches: Iterable[Batch]) -> dict[str, int]:
    """What batches add to the denominator of each objective."""
    made = list(batches)
    return {
        name: sum(objective.count(batch.of(name)) for batch in made) for name, objective in objectives.items()
    }


def check_objectives(objectives: Mapping[str, Objective]) -> None:
    """Checks names and weights.

    Raises:
        UserError: there is no objective, or one has a name or a weight that cannot be.
    """
    if not objectives:
        raise UserError("model.objectives is empty; name at least one, or leave it out to train on captions")
    for name, objective in objectives.items():
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name in RESERVED:
            raise UserError(
                f"model.objectives.{name}: names are letters, digits and _, and not {' or '.join(RESERVED)}; rename it"
            )
        if not isinstance(objective.weight, int | float) or not 0 <= objective.weight < math.inf:
            raise UserError(
                f"model.objectives.{name}.weight is {objective.weight}; give a finite number from 0"
            )
