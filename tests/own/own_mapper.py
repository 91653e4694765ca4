"""Custom mapper: one linear map of the mean feature vector."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.mappers import Mapper


class Mean(Mapper):
    """Maps the mean of the feature vectors.

    Args:
        scale: factor of the prefix vectors.
    """

    def __init__(
        self, channels: int, tokens: int, dim: int, k: int, scale: float = 1.0, **options: Any
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        self.scale, self.out = scale, nn.Linear(channels, k * dim)

    def map(self, features: Tensor) -> Tensor:
        return self.scale * self.out(features.mean(1)).unflatten(1, (self.k, self.dim))
