"""The loss of a batch outside of a Trainer, with what it is a quotient of."""

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
    """Sum of the target tokens' negative log-likelihood; it reaches every trained parameter."""
    run, objective = model.run(batch), Captioning()
    nll = objective.total(run) + run.reach()
    return Loss(nll, objective.count(batch), run.positions, run.padding)
