"""`Projection`: a linear map of one or several pooled vectors to an embedding."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from frozenvl.util.errors import UserError


class Standardize(nn.Module):
    """Shifts and scales each dimension to mean 0 and standard deviation 1 over the training data.

    The statistics are measured once, before the first step of a fit, and saved with the weights. Until then the vectors
    pass as they are.

    Args:
        parts: number of vectors.
        width: dimension of a vector.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, parts: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(parts, width))
        self.register_buffer("deviation", torch.ones(parts, width))

    @property
    def is_measured(self) -> bool:
        """True if the statistics were measured, here or by the run that a checkpoint comes from."""
        return bool((self.deviation != 1).any())

    @torch.no_grad()
    def measure(self, batches: Iterable[Tensor]) -> None:
        """Measures the statistics over batches of vectors (n, parts, width). A constant dimension is only shifted."""
        count, total, squares = 0, self.mean.double() * 0, self.mean.double() * 0
        for batch in batches:
            vectors = batch.to(total)
            count, total = count + len(vectors), total + vectors.sum(0)
            squares += vectors.square().sum(0)
        mean = total / max(count, 1)
        deviation = (squares / max(count, 1) - mean.square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(self, vectors: Tensor) -> Tensor:
        return (vectors - self.mean) / self.deviation


class Projection(nn.Module):
    """Projects vectors, side by side, to an embedding: (rows, parts, width) → (rows, dim).

    Args:
        parts: number of vectors.
        width: dimension of a vector.
        dim: dimension of the embedding.
        norm: whether each vector is normalised first (LayerNorm without weights).
        dropout: dropout rate of the vectors.
        standardize: whether each dimension is standardised over the training data first (`Standardize`).
    """

    def __init__(
        self,
        parts: int,
        width: int,
        dim: int,
        norm: bool = False,
        dropout: float = 0.0,
        standardize: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UserError(f"model.heads: dropout is {dropout}; give a share from 0 to below 1")
        self.norm = nn.LayerNorm(width, elementwise_affine=False) if norm else nn.Identity()
        self.standardize = Standardize(parts, width) if standardize else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(parts * width, dim)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.linear(self.dropout(self.standardize(self.norm(vectors)).flatten(1)))

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Measures the statistics of `standardize`, unless they are known, over batches (n, parts, width)."""
        if isinstance(self.standardize, Standardize) and not self.standardize.is_measured:
            self.standardize.measure(self.norm(batch.float()) for batch in batches)
