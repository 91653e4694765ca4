"""KV cache: keys and values (or recurrent states) of sequences that were read, to continue from."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

KEYS_AND_VALUES = (DynamicLayer, DynamicSlidingWindowLayer)
"""Cache layer types that hold only keys and values, one per position."""


@dataclass(frozen=True)
class KVCache:
    """KV cache of `B` sequences, padded on the left to `T` positions.

    Continuing from it changes its cache. To keep it, continue from a copy: `rows` or `lead`.

    Shapes:
        mask: (B, T) 1 for real positions, 0 for padding.
        hidden: (B, dim) last hidden state at each sequence's last position.
    """

    cache: Cache
    mask: Tensor
    hidden: Tensor

    @property
    def lengths(self) -> Tensor:
        """Number of real positions (B,) of each sequence."""
        return self.mask.sum(1)

    def rows(self, index: Tensor) -> KVCache:
        """Returns a copy with the sequences at `index`, which may repeat."""
        cache: Any = copy.deepcopy(self.cache)
        cache.reorder_cache(index)
        return KVCache(cache, self.mask[index], self.hidden[index])

    def lead(self, shift: Tensor) -> DynamicCache:
        """Returns a cache of B sequences that all begin with this single sequence, each after its left padding.

        Only the first T positions are filled. Tokens that the padding pushes past them must be read again. So each
        sequence is contiguous, as sliding windows and relative distances require.

        Args:
            shift: (B,) number of padding positions on the left of each sequence.
        """
        width = self.mask.shape[1]
        source = (torch.arange(width, device=shift.device)[None] - shift[:, None]).clamp(min=0)
        cache = DynamicCache()
        layer: Any
        for number, layer in enumerate(self.cache.layers):
            keys, values = (x[0][:, source].transpose(0, 1) for x in (layer.keys, layer.values))
            cache.update(keys, values, number)
        return cache


def left_padded(embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Moves padding from right to left, as decoding needs it. Returns the embeddings and the mask of real positions."""
    width = embeddings.shape[1]
    columns = torch.arange(width, device=embeddings.device)
    shift = (width - lengths).to(embeddings.device)[:, None]
    mask = columns[None] >= shift
    source = (columns[None] - shift) % max(1, width)
    return embeddings.gather(1, source[..., None].expand_as(embeddings)), mask.long()
