"""Transformer mapper: a transformer over features and learned constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper, check_heads


class Transformer(Mapper):
    """Transformer mapper over the features and k learned constants. The constants' outputs are the prefix (ClipCap).

    Args:
        length: number of input vectors that each feature vector is projected to (ClipCap's `clip_length`, 10).
        layers: number of layers.
        heads: number of attention heads.
        ratio: width of the feed-forward part ÷ dimension of the embeddings.

    Raises:
        UserError: if `heads` does not divide the dimension of the embeddings.
    """

    def __init__(
        self,
        channels: int,
        tokens: int,
        dim: int,
        k: int,
        length: int = 1,
        layers: int = 8,
        heads: int = 8,
        ratio: float = 2.0,
        **options: Any,
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        check_heads(dim, heads)
        self.length = length
        self.enter = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, length * dim))
        self.positions = nn.Parameter(torch.randn(tokens * length, dim) * 0.02)
        self.constants = nn.Parameter(torch.randn(k, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(
            dim, heads, int(dim * ratio), dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def map(self, features: Tensor) -> Tensor:
        inputs = self.enter(features).unflatten(2, (self.length, self.dim)).flatten(1, 2) + self.positions
        constants = self.constants.to(inputs.dtype).expand(len(features), -1, -1)
        return self.layers(torch.cat([inputs, constants], dim=1))[:, -self.k :]
