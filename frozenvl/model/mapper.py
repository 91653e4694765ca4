"""Mappers: an image's features to `k` vectors in the space of the language model's input embeddings."""

from __future__ import annotations

from torch import Tensor, nn


class Mapper(nn.Module):
    """A mapper. A new one takes these four numbers first, then options of its own.

    Args:
        channels: width of a feature vector.
        tokens: feature vectors per image.
        dim: width of the language model's embeddings.
        k: prefix vectors per image.

    Shapes:
        forward: (N, tokens, channels) → (N, k, dim).
    """

    def __init__(self, channels: int, tokens: int, dim: int, k: int) -> None:
        super().__init__()
        self.channels, self.tokens, self.dim, self.k = channels, tokens, dim, k


class Linear(Mapper):
    """One linear map to k·dim numbers (Frozen, section 3)."""

    def __init__(self, channels: int, tokens: int, dim: int, k: int) -> None:
        super().__init__(channels, tokens, dim, k)
        self.out = nn.Linear(channels * tokens, k * dim)

    def forward(self, features: Tensor) -> Tensor:
        return self.out(features.flatten(1)).unflatten(1, (self.k, self.dim))


class MLP(Mapper):
    """One hidden layer (ClipCap's MLP), on normalised features.

    Args:
        hidden: width of the hidden layer.
        dropout: on the hidden layer.
    """

    def __init__(
        self, channels: int, tokens: int, dim: int, k: int, hidden: int = 1024, dropout: float = 0.0
    ) -> None:
        super().__init__(channels, tokens, dim, k)
        self.net = nn.Sequential(
            nn.LayerNorm(channels * tokens),
            nn.Linear(channels * tokens, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, k * dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.net(features.flatten(1)).unflatten(1, (self.k, self.dim))
