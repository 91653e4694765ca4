"""Resampler mapper: learned queries that attend to the features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper, check_heads


class Resampler(Mapper):
    """Resampler mapper: k learned queries attend to each other and to the features (Q-Former, Perceiver resampler).

    Args:
        layers: number of layers (self-attention, cross-attention, feed-forward).
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
        return self.attend(self.inputs(features))

    def inputs(self, features: Tensor) -> Tensor:
        """Returns what the queries attend to (N, tokens, dim): projected features with their positions."""
        return self.enter(features) + self.positions

    def attend(self, inputs: Tensor, missing: Tensor | None = None) -> Tensor:
        """Returns the k vectors (N, k, dim) of inputs (N, any number, dim).

        Args:
            inputs: what the queries attend to.
            missing: (N, any number), True for inputs that are not there.
        """
        queries = self.queries.to(inputs.dtype).expand(len(inputs), -1, -1)
        return self.layers(queries, inputs, memory_key_padding_mask=missing)
