"""Multiplication: an image scales the hidden states of the text behind it."""

from __future__ import annotations

import torch
from torch import Tensor

from frozenvl.model.fusion.per_image import PerImage


class Multiply(PerImage):
    """Fusion by multiplication: x·(1 + g·v) at each position x that sees an image, element by element (FiLM's scale).

    Args:
        layers: layers whose input is changed, from 0. The input of layer 0 is the input embeddings (with position
            embeddings, in architectures that add them).
        width: inner dimension of the projections; None for one full matrix each.
        gate_scale: factor of the gates g, which start at 0 (`LayerFusion`).
    """

    def combine(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        # 1 + v in bf16 would lose small v.
        wide = torch.promote_types(hidden.dtype, torch.float32)
        return (hidden.to(wide) * (1 + vectors.to(wide))).to(hidden.dtype)
