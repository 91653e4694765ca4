"""Loss of a batch without a Trainer, as a sum and its denominators."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.objectives import Captioning


class Loss(NamedTuple):
    """Sums over a batch."""

    nll: Tensor
    tokens: int
    positions: int
    padding: int


def loss_of(model: FrozenVL, batch: Batch) -> Loss:
    """Returns the summed negative log-likelihood of the target tokens, with a gradient for every trained parameter."""
    run, objective = model.run(batch), Captioning()
    nll = objective.total(run) + run.reach()
    return Loss(nll, objective.count(batch), run.positions, run.padding)
