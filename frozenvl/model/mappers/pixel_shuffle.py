"""Pixel-shuffle mapper: concatenates neighbouring feature vectors, then maps them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.mappers.mapper import Mapper
from frozenvl.util.errors import UserError


class PixelShuffle(Mapper):
    """Pixel-shuffle mapper: concatenates each square of neighbouring cells, then applies one hidden layer (nanoVLM).

    Args:
        hidden: width of the hidden layer; by default the dimension of the embeddings.
        norm_features: whether to apply a LayerNorm to the concatenated vectors first. LLaVA-1.5's projector has none.

    Raises:
        UserError: if the features are not a square map that divides into k squares.
    """

    def __init__(
        self,
        channels: int,
        tokens: int,
        dim: int,
        k: int,
        hidden: int | None = None,
        norm_features: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        side, left = round(tokens**0.5), round(k**0.5)
        if side * side != tokens or left * left != k or side % left:
            raise UserError(
                f"PixelShuffle folds a square map of features into k squares; {tokens} vectors and k = {k} do not fit: "
                "try grid 6 and k 9, or grid 8 and k 16"
            )
        self.left, self.fold = left, side // left
        wide = channels * self.fold**2
        self.net = nn.Sequential(
            nn.LayerNorm(wide) if norm_features else nn.Identity(),
            nn.Linear(wide, hidden or dim),
            nn.GELU(),
            nn.Linear(hidden or dim, dim),
        )

    def map(self, features: Tensor) -> Tensor:
        cells = features.reshape(len(features), self.left, self.fold, self.left, self.fold, self.channels)
        squares = cells.transpose(2, 3).reshape(len(features), self.k, self.fold**2 * self.channels)
        return self.net(squares)
