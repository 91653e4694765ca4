"""Mappers: an image's features to `k` vectors in the space of the language model's input embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.part import Described
from frozenvl.util.errors import UserError


class Mapper(Described, nn.Module, ABC):
    """A mapper. A new one takes the first four numbers, then options of its own and these, and writes `map`.

    Args:
        channels: width of a feature vector.
        tokens: feature vectors per image.
        dim: width of the language model's embeddings.
        k: prefix vectors per image.
        norm: whether prefix vectors go through a LayerNorm (MAGMA). Its gain starts at the typical size of the
            language model's own embeddings.
        prefix_dropout: on the prefix vectors (LiMBeR, MAGMA: 0.1).

    Shapes:
        forward: (N, tokens, channels) → (N, k, dim).
    """

    def __init__(
        self, channels: int, tokens: int, dim: int, k: int, norm: bool = False, prefix_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.channels, self.tokens, self.dim, self.k = channels, tokens, dim, k
        last = [nn.LayerNorm(dim)] if norm else []
        self.last = nn.Sequential(*last, *([nn.Dropout(prefix_dropout)] if prefix_dropout else []))

    @abstractmethod
    def map(self, features: Tensor) -> Tensor:
        """(N, tokens, channels) → (N, k, dim)."""

    def forward(self, features: Tensor) -> Tensor:
        return self.last(self.map(features))

    @torch.no_grad()
    def start_like(self, embeddings: Tensor) -> None:
        """A prefix LayerNorm starts at the typical size of some embeddings: (n, dim)."""
        for module in self.last:
            if isinstance(module, nn.LayerNorm):
                module.weight.fill_(embeddings.float().pow(2).mean().sqrt())


class Linear(Mapper):
    """One linear map to k·dim numbers (Frozen, section 3)."""

    def __init__(self, channels: int, tokens: int, dim: int, k: int, **options: Any) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        self.out = nn.Linear(channels * tokens, k * dim)

    def map(self, features: Tensor) -> Tensor:
        return self.out(features.flatten(1)).unflatten(1, (self.k, self.dim))


class MLP(Mapper):
    """One hidden layer (ClipCap's MLP), on normalised features.

    Args:
        hidden: width of the hidden layer.
        dropout: on the hidden layer.
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


class PatchLinear(Mapper):
    """One linear map over each feature vector (LiMBeR): as many prefix vectors as features.

    Raises:
        UserError: where k is another number.
    """

    def __init__(self, channels: int, tokens: int, dim: int, k: int, **options: Any) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        if k != tokens:
            raise UserError(
                f"PatchLinear maps each of the encoder's {tokens} vectors to one: set k to {tokens} (it is {k}), or "
                "change the encoder's grid"
            )
        self.out = nn.Linear(channels, dim)

    def map(self, features: Tensor) -> Tensor:
        return self.out(features)


class PixelShuffle(Mapper):
    """Cells that lie together become one vector, and one hidden layer maps it (nanoVLM).

    Args:
        hidden: width of the hidden layer; by default that of the embeddings.

    Raises:
        UserError: where features are no square map that falls into k squares.
    """

    def __init__(
        self,
        channels: int,
        tokens: int,
        dim: int,
        k: int,
        hidden: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(channels, tokens, dim, k, **options)
        side, left = round(tokens**0.5), round(k**0.5)
        if side * side != tokens or left * left != k or side % left:
            raise UserError(
                f"PixelShuffle folds a square map of features into k squares; {tokens} vectors and k = {k} are none: "
                "try grid 6 and k 9, or grid 8 and k 16"
            )
        self.left, self.fold = left, side // left
        wide = channels * self.fold**2
        self.net = nn.Sequential(
            nn.LayerNorm(wide), nn.Linear(wide, hidden or dim), nn.GELU(), nn.Linear(hidden or dim, dim)
        )

    def map(self, features: Tensor) -> Tensor:
        cells = features.reshape(len(features), self.left, self.fold, self.left, self.fold, self.channels)
        squares = cells.transpose(2, 3).reshape(len(features), self.k, self.fold**2 * self.channels)
        return self.net(squares)


class Transformer(Mapper):
    """A transformer over the features and k learned constants, whose outputs are the prefix (ClipCap).

    Args:
        length: vectors that each feature vector becomes before (ClipCap's `clip_length`, 10).
        layers: of the transformer.
        heads: of each layer.
        ratio: width of a layer's hidden part, over that of the embeddings.

    Raises:
        UserError: where heads do not divide the width of the embeddings.
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
        entered = self.enter(features).unflatten(2, (self.length, self.dim)).flatten(1, 2) + self.positions
        constants = self.constants.to(entered.dtype).expand(len(features), -1, -1)
        return self.layers(torch.cat([entered, constants], dim=1))[:, -self.k :]


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


def check_heads(dim: int, heads: int) -> None:
    if dim % heads:
        raise UserError(f"{heads} heads do not divide the width of the embeddings, {dim}; change `heads`")
