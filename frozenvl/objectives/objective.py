"""`Objective`, the interface of training objectives, and the loss of a micro-batch."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.part import Part
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.data.stream import Task
    from frozenvl.objectives.step import Prepared, Step

RESERVED = ("loss", "lr")
"""Names that objectives must not have, because training logs `train/loss` and `train/lr` itself."""


class Objective(Part, ABC):
    """Base class of training objectives. A subclass implements `count` and `total`; its weights are trained.

    The loss of an optimiser step is Σ over objectives of weight × total ÷ count. Total and count are sums over all
    ranks and accumulated micro-batches, so the loss does not depend on how a step is divided among them.

    Args:
        weight: factor of this objective in the loss.
    """

    needs: ClassVar[Literal["pixels", "features"]] = "features"
    """Earliest form of the images that the objective reads. `pixels` switches the feature cache off."""

    separate: ClassVar[bool] = False
    """True if its rows are a batch of their own, which never shares a pass of the language model with other rows."""
    prepares: ClassVar[bool] = False
    """True if it has to see a whole optimiser step before the backward passes (`prepare`)."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def attach(self, model: FrozenVL) -> None:
        """Creates weights that depend on the model's dimensions. It is called once and must not store the model.

        Raises:
            UserError: if the objective does not suit the model.
        """

    def bind(self, tasks: Mapping[str, Task]) -> None:
        """Takes what the objective needs of the run's training tasks, by name, such as references. It is called once.

        Raises:
            UserError: if the tasks do not have it.
        """

    def prepare(self, step: Step) -> Prepared:
        """Prepares an optimiser step before its backward passes. It is called without gradients, if `prepares`.

        A loss that compares the rows of a whole step embeds them here, and a loss on the model's own samples draws
        them. All ranks call it, so it may gather.

        Raises:
            UserError: if the step has too few rows.
            NotImplementedError: if the objective does not prepare steps.
        """
        raise NotImplementedError

    def texts(self) -> Sequence[str]:
        """Returns the texts that a head embeds beside targets, such as labels, so that their states can be cached."""
        return ()

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the prompts to make from a training or validation sample; by default the sample itself."""
        return (sample,)

    def common_rows(self) -> Sequence[Sample]:
        """Returns prompts that each batch has once, in front of those of its samples, such as a list of labels."""
        return ()

    @abstractmethod
    def count(self, batch: Batch) -> int:
        """Returns what a batch of this objective's rows adds to the denominator.

        It is called before any backward pass, so it can use only the tensors of the batch.
        """

    @abstractmethod
    def total(self, run: Forward) -> Tensor:
        """Returns the sum of the loss over a batch of this objective's rows: an fp32 scalar with a gradient."""

    def sums(self, batch: Batch) -> dict[str, float]:
        """Returns further sums of a validation batch, by name. `summary` gets their totals over the validation."""
        return {}

    def summary(self, loss: float, sums: Mapping[str, float]) -> dict[str, float]:
        """Returns further values that a validation logs under `val/`, by name.

        Args:
            loss: total ÷ count over the validation.
            sums: totals of `sums` over the validation, and the sum of the loss as `total`.
        """
        return {}


class Loss(NamedTuple):
    """Loss of a micro-batch."""

    value: Tensor
    """Share of the optimiser step's loss. The shares of all micro-batches and ranks add up to it."""
    totals: dict[str, Tensor]
    """Sum of each objective over the micro-batch, by name, without weight and denominator."""


def micro_loss(objectives: Mapping[str, Any], run: Forward, counts: Mapping[str, float]) -> Loss:
    """Returns the loss of a micro-batch, with a (possibly zero) gradient for every trained parameter.

    Args:
        objectives: objectives by name.
        run: forward pass of the micro-batch.
        counts: count of each objective over the whole optimiser step, by name.
    """
    totals = {name: total_of(objective, run.of(name)) for name, objective in objectives.items()}
    weighted = (total * (objectives[name].weight / max(counts[name], 1)) for name, total in totals.items())
    return Loss(sum(weighted, run.reach()), totals)


def total_of(objective: Any, run: Forward) -> Tensor:
    """Returns the sum of an objective over its rows; 0 if there are none, as on a rank without validation batches."""
    return objective.total(run) if len(run.batch) else run.zero()


def count_rows(objectives: Mapping[str, Any], batches: Iterable[Batch]) -> dict[str, int]:
    """Returns the count (denominator) of each objective over batches, by name."""
    batches = list(batches)
    return {
        name: sum(objective.count(batch.of(name)) for batch in batches)
        for name, objective in objectives.items()
    }


def in_use(objectives: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the objectives whose weight is above 0. The others are not computed."""
    return {name: objective for name, objective in objectives.items() if objective.weight}


def check_objectives(objectives: Mapping[str, Objective]) -> None:
    """Checks names and weights of objectives.

    Raises:
        UserError: if there is no objective, or a name or weight is not valid.
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
    if not in_use(objectives):
        raise UserError("all of model.objectives have weight 0; give one a weight above 0")
