"""Custom module: its loss is a multiple of the objectives' loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.training.module import FrozenModule


class Doubled(FrozenModule):
    """Multiplies the loss.

    Args:
        factor: factor of the loss.
    """

    def __init__(self, *values: Any, factor: float = 2.0, **named: Any) -> None:
        super().__init__(*values, **named)
        self.factor = factor

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return self.factor * super().training_step(batch, index)
