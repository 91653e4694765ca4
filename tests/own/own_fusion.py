"""Custom fusion: besides its prefix vectors, an image is added to all later hidden states through a gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frozenvl.model.fusion import Concat
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioner, Conditioning
from frozenvl.model.part import path_of


class GatedAdd(Concat):
    """Adds the mean of an image's vectors, times a learned gate, to the input of the first layer.

    Args:
        gate: initial value of the gate.
    """

    def __init__(self, gate: float = 0.0) -> None:
        super().__init__()
        self.start = gate

    def attach(self, language: FrozenLanguageModel) -> None:
        self.gate = nn.Parameter(torch.full((language.dim,), self.start))
        language.condition([0])

    def conditioner(self, prefix: Tensor) -> Conditioner:
        return Means(prefix.mean(1) * self.gate)

    def identity(self) -> dict[str, str]:
        return {"fusion": path_of(type(self))}


class Means(Conditioner):
    """One vector (N, dim) for each image, which is added to the positions that see it."""

    def before_layer(self, number: int, hidden: Tensor, conditioning: Conditioning) -> Tensor:
        view = conditioning.view_of.flatten()
        return conditioning.add(hidden, self.images[view[view >= 0]])
