"""The interface of mappers: an image's features to `k` vectors in the language model's input space."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from frozenvl.model.part import Part
from frozenvl.util.errors import UserError


class Mapper(Part, ABC):
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


def check_heads(dim: int, heads: int) -> None:
    if dim % heads:
        raise UserError(f"{heads} heads do not divide the width of the embeddings, {dim}; change `heads`")
