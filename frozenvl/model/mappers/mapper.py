"""`Mapper`, the interface of mappers: image features to `k` vectors in the language model's input space."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from frozenvl.model.part import Part
from frozenvl.util.errors import UserError


class Mapper(Part, ABC):
    """Base class of mappers. A subclass takes the first four arguments, its own and `**options`; it implements `map`.

    Args:
        channels: dimension of a feature vector.
        tokens: number of feature vectors per image.
        dim: dimension of the language model's embeddings.
        k: number of prefix vectors per image.
        norm: whether to apply a LayerNorm to the prefix vectors (MAGMA). Its gain starts at the root mean square of
            the language model's embeddings.
        prefix_dropout: dropout rate of the prefix vectors (LiMBeR, MAGMA: 0.1).

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
        """Maps features (N, tokens, channels) to prefix vectors (N, k, dim)."""

    def forward(self, features: Tensor) -> Tensor:
        return self.last(self.map(features))

    @torch.no_grad()
    def start_like(self, embeddings: Tensor) -> None:
        """Sets the gain of the prefix LayerNorm, if any, to the root mean square of embeddings (n, dim)."""
        for module in self.last:
            if isinstance(module, nn.LayerNorm):
                module.weight.fill_(embeddings.float().pow(2).mean().sqrt())


def check_heads(dim: int, heads: int) -> None:
    """Checks that the number of attention heads divides the dimension.

    Raises:
        UserError: if it does not.
    """
    if dim % heads:
        raise UserError(f"{heads} heads do not divide the width of the embeddings, {dim}; change `heads`")
