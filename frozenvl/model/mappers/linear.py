"""Linear mapper: one linear map of all features."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper


class Linear(Mapper):
    """Linear mapper: one linear map from all features to all prefix vectors (Frozen, section 3)."""

    def __init__(self, channels: int, tokens: int, dim: int, k: int, **options: Any) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        self.out = nn.Linear(channels * tokens, k * dim)

    def map(self, features: Tensor) -> Tensor:
        return self.out(features.flatten(1)).unflatten(1, (self.k, self.dim))
