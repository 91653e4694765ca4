"""What a language model has read: keys and values, which other sequences go on from."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

KEYS_AND_VALUES = (DynamicLayer, DynamicSlidingWindowLayer)
"""Layers of a cache that hold nothing else, by position."""


@dataclass(frozen=True)
class KVCache:
    """`B` sequences that were read, padded on the left to `T` positions.

    Going on from it adds to its cache, so each that goes on takes a copy: `rows`, or `lead`.

    Shapes:
        mask: (B, T) which positions are not padding.
        hidden: (B, dim) last hidden state of each sequence's last position.
    """

    cache: Cache
    mask: Tensor
    hidden: Tensor

    @property
    def lengths(self) -> Tensor:
        """(B,) positions that are not padding."""
        return self.mask.sum(1)

    def rows(self, index: Tensor) -> KVCache:
        """A copy of some sequences, each as often as it is named."""
        cache: Any = copy.deepcopy(self.cache)
        cache.reorder_cache(index)
        return KVCache(cache, self.mask[index], self.hidden[index])

    def lead(self, shift: Tensor) -> DynamicCache:
        """The cache of B sequences that all begin with this single one, each behind some padding of its own.

        Only the first T positions are filled: what the padding pushes out is to be read again. So nothing stands
        between any two positions of a sequence, as windows and distances require that are counted in positions.

        Args:
            shift: (B,) padding on the left of each.
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
    """Moves padding from the right to the left, where a decoder needs it; with the mask of real positions."""
    width = embeddings.shape[1]
    columns = torch.arange(width, device=embeddings.device)
    shift = (width - lengths).to(embeddings.device)[:, None]
    mask = columns[None] >= shift
    source = (columns[None] - shift) % max(1, width)
    return embeddings.gather(1, source[..., None].expand_as(embeddings)), mask.long()
