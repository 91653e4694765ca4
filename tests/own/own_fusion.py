"""Custom fusion: besides its prefix vectors, an image is added to all later text embeddings through a gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frozenvl.model.batch import Batch
from frozenvl.model.fusion import Concat
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.part import path_of


class GatedAdd(Concat):
    """Adds the mean of an image's vectors, times a learned gate, to the positions that can attend to the image.

    Args:
        gate: initial value of the gate.
    """

    def __init__(self, gate: float = 0.0) -> None:
        super().__init__()
        self.start = gate

    def attach(self, language: FrozenLanguageModel) -> None:
        self.gate = nn.Parameter(torch.full((language.dim,), self.start))

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        seen = (batch.image_of >= 0)[..., None]
        added = prefix.mean(1)[batch.image_of.clamp(min=0)] if len(prefix) else torch.zeros_like(text)
        return super().embeddings(text, batch, prefix) + torch.where(seen, self.gate * added, 0.0)

    def identity(self) -> dict[str, str]:
        return {"fusion": path_of(type(self))}
