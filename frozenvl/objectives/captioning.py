"""The captioning objective: negative log-likelihood of target texts (language modelling)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.forward import Forward
from frozenvl.objectives.objective import Objective
from frozenvl.util.errors import UserError


class Captioning(Objective):
    """Mean negative log-likelihood, in nats, of the target tokens (Frozen, section 3).

    Targets are captions, answers, and the learned answers of demonstrations. Validation also logs two values:

    - perplexity: exp(Σ NLL ÷ Σ target tokens), end tokens included;
    - bits per byte: Σ NLL ÷ ln 2 ÷ Σ UTF-8 bytes of the targets. The end token adds bits but no bytes.

    Args:
        weight: factor of this objective in the loss.
        label_smoothing: share of the target probability that training spreads evenly over the vocabulary (Szegedy et
            al. 2016). Validation has none.

    Raises:
        UserError: if `label_smoothing` is not from 0 to below 1.
    """

    def __init__(self, weight: float = 1.0, label_smoothing: float = 0.0) -> None:
        super().__init__(weight)
        if not 0 <= label_smoothing < 1:
            raise UserError(
                f"Captioning: label_smoothing is {label_smoothing}; it is a share, from 0 to below 1"
            )
        self.label_smoothing = label_smoothing

    def count(self, batch: Batch) -> int:
        """Returns the number of target tokens."""
        return int((batch.labels != IGNORE).sum())

    def total(self, run: Forward) -> Tensor:
        total = run.prefix.new_zeros((), dtype=torch.float32)
        if self.count(run.batch):
            for _, nll in run.nll(self.label_smoothing if self.training else 0.0):
                total = total + nll.sum()
        return total

    def sums(self, batch: Batch) -> dict[str, float]:
        return {"bytes": float(sum(batch.target_bytes))}

    def summary(self, loss: float, sums: Mapping[str, float]) -> dict[str, float]:
        return {
            "perplexity": math.exp(min(loss, 700)),
            "bits_per_byte": sums["total"] / math.log(2) / max(sums["bytes"], 1),
        }
