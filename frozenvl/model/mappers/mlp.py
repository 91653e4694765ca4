"""MLP mapper: a multilayer perceptron on all features."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper


class MLP(Mapper):
    """MLP mapper: a LayerNorm and one hidden layer on all features (ClipCap's MLP).

    Args:
        hidden: width of the hidden layer.
        dropout: dropout rate of the hidden layer.
    """

    def __init__(
        self,
        channels: int,
        tokens: int,
        dim: int,
        k: int,
        hidden: int = 1024,
        dropout: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        self.net = nn.Sequential(
            nn.LayerNorm(channels * tokens),
            nn.Linear(channels * tokens, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, k * dim),
        )

    def map(self, features: Tensor) -> Tensor:
        return self.net(features.flatten(1)).unflatten(1, (self.k, self.dim))
