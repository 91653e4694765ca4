"""KV cache: keys and values (or recurrent states) of sequences that were read, to continue from."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from frozenvl.model.language.conditioning import Conditioning

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
    conditioning: Conditioning | None = None
    """Images that the last position (B, 1) of each sequence sees; None if the fusion is in the embeddings."""

    @property
    def lengths(self) -> Tensor:
        """Number of real positions (B,) of each sequence."""
        return self.mask.sum(1)

    def rows(self, index: Tensor) -> KVCache:
        """Returns a copy with the sequences at `index`, which may repeat."""
        return KVCache(copy.deepcopy(self.cache), self.mask, self.hidden, self.conditioning).reordered(index)

    def reordered(self, index: Tensor) -> KVCache:
        """Returns the sequences at `index`, which may repeat. The old cache cannot be used again."""
        cache: Any = self.cache
        cache.reorder_cache(index)  # recurrent states have no `batch_select_indices`
        seen = self.conditioning and self.conditioning.rows(index)
        return KVCache(cache, self.mask[index], self.hidden[index], seen)

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
    source, mask = _left(lengths.to(embeddings.device), embeddings.shape[1])
    return embeddings.gather(1, source[..., None].expand_as(embeddings)), mask.long()


def left_padded_views(conditioning: Conditioning, lengths: Tensor) -> Conditioning:
    """Moves padding from right to left, as `left_padded` does, in what the positions see."""
    view_of = conditioning.view_of
    source, mask = _left(lengths.to(view_of.device), view_of.shape[1])
    return conditioning.seen_by(torch.where(mask, view_of.gather(1, source), -1))


def _left(lengths: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Returns, for each place (B, width) of left-padded sequences, its column before, and whether it is real."""
    columns, shift = torch.arange(width, device=lengths.device), (width - lengths)[:, None]
    return (columns - shift) % max(1, width), columns >= shift
