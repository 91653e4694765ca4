"""`Projection`: a linear map of one or several pooled vectors to an embedding."""

from __future__ import annotations

from torch import Tensor, nn


class Projection(nn.Module):
    """Projects vectors, side by side, to an embedding: (rows, parts, width) → (rows, dim).

    Args:
        parts: number of vectors.
        width: dimension of a vector.
        dim: dimension of the embedding.
        norm: whether each vector is normalised first (LayerNorm without weights).
        dropout: dropout rate of the vectors.
    """

    def __init__(self, parts: int, width: int, dim: int, norm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(parts * width, dim)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.linear(self.dropout(self.norm(vectors).flatten(1)))
