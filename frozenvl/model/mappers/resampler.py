"""Learned queries that attend to the features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper, check_heads


class Resampler(Mapper):
    """k learned queries that attend to each other and to the features (Q-Former, perceiver resampler).

    Args:
        layers: of self-attention, cross-attention and a hidden part each.
        heads: of each attention.
        ratio: width of the hidden part, over that of the embeddings.

    Raises:
        UserError: where heads do not divide the width of the embeddings.
    """

    def __init__(
        self,
        channels: int,
        tokens: int,
        dim: int,
        k: int,
        layers: int = 2,
        heads: int = 8,
        ratio: float = 2.0,
        **options: Any,
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        check_heads(dim, heads)
        self.enter = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, dim))
        self.positions = nn.Parameter(torch.randn(tokens, dim) * 0.02)
        self.queries = nn.Parameter(torch.randn(k, dim) * 0.02)
        layer = nn.TransformerDecoderLayer(
            dim, heads, int(dim * ratio), dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, layers)

    def map(self, features: Tensor) -> Tensor:
        entered = self.enter(features) + self.positions
        queries = self.queries.to(entered.dtype).expand(len(features), -1, -1)
        return self.layers(queries, entered)
