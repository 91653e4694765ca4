"""Addition: an image shifts the hidden states of the text behind it."""

from __future__ import annotations

from torch import Tensor

from frozenvl.model.fusion.per_image import PerImage


class Add(PerImage):
    """Fusion by addition: x + g·v at each position x that sees an image, where v is a projection of its vectors.

    "Par-inject" of Tanti et al. (2018) at the input embeddings.

    Args:
        layers: layers whose input is changed, from 0. The input of layer 0 is the input embeddings (with position
            embeddings, in architectures that add them).
        width: inner dimension of the projections; None for one full matrix each.
        gate_scale: factor of the gates g, which start at 0 (`LayerFusion`).
    """

    def combine(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        return hidden + vectors.to(hidden.dtype)
