"""Patch-wise linear mapper: a linear map of each feature vector."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper
from frozenvl.util.errors import UserError


class PatchLinear(Mapper):
    """Patch-wise linear mapper: each feature vector becomes one prefix vector (LiMBeR), so k = tokens.

    Args:
        norm_features: whether to apply a LayerNorm to the feature vectors first. Training may then take larger steps.

    Raises:
        UserError: if k is not the number of feature vectors.
    """

    def __init__(
        self, channels: int, tokens: int, dim: int, k: int, norm_features: bool = False, **options: Any
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        if k != tokens:
            raise UserError(
                f"PatchLinear maps each of the encoder's {tokens} vectors to one: set k to {tokens} (it is {k}), or "
                "change the encoder's grid"
            )
        self.first = nn.LayerNorm(channels) if norm_features else nn.Identity()
        self.out = nn.Linear(channels, dim)

    def map(self, features: Tensor) -> Tensor:
        return self.out(self.first(features))
