"""`Continues`: reading sequences into a KV cache, and continuing from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache

from frozenvl.model.language.conditioning import Conditioning
from frozenvl.model.language.kv_cache import KEYS_AND_VALUES, KVCache, left_padded, left_padded_views
from frozenvl.util.errors import UserError


class Continues:
    """Mixin of `FrozenLanguageModel` with the methods that fill a KV cache and continue from it."""

    def extend(
        self: Any,
        embeddings: Tensor,
        mask: Tensor,
        cache: Cache,
        layers: Sequence[int] = (),
        conditioning: Conditioning | None = None,
    ) -> Tensor:
        """Continues sequences from a cache, and adds the new positions to it.

        Args:
            embeddings: (B, L, dim) input embeddings of the last L of T positions.
            mask: (B, T) 1 for real positions, 0 for padding.
            cache: cache of the first T - L positions.
            layers: layers to return; see `hidden`.
            conditioning: images that the new positions see.

        Returns:
            (B, L, dim) last hidden states; with `layers`, (B, L, layers, dim).
        """
        new = embeddings.shape[1]
        cached = mask.shape[1] - new
        if conditioning is not None:
            conditioning = conditioning.fitted(len(embeddings), new)
        if self.goes_on_singly and cached and new > 1:
            seen = [conditioning and conditioning.columns(t, t + 1) for t in range(new)]
            return torch.cat(
                [
                    self.extend(embeddings[:, t : t + 1], mask[:, : cached + t + 1], cache, layers, seen[t])
                    for t in range(new)
                ],
                dim=1,
            )
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -new:]
        extra = {"position_ids": positions} if self.has_positions else {}
        attention_mask = None if self.is_recurrent and cached else mask
        inputs = {"inputs_embeds": embeddings, "attention_mask": attention_mask, **extra}
        return self._body(cache, layers, conditioning, **inputs)

    def advance(self: Any, past: KVCache, tokens: Tensor) -> KVCache:
        """Continues each sequence of a KV cache by one token (B,). The old cache cannot be used again."""
        mask = torch.cat([past.mask, past.mask.new_ones(len(tokens), 1)], dim=1)
        embeddings = self.embed(tokens[:, None])
        hidden = self.extend(embeddings, mask, past.cache, conditioning=past.conditioning)[:, -1]
        return KVCache(past.cache, mask, hidden, past.conditioning)

    @torch.no_grad()
    def read(
        self: Any,
        embeddings: Tensor,
        lengths: Tensor,
        lead: KVCache | None = None,
        conditioning: Conditioning | None = None,
    ) -> KVCache:
        """Returns the KV cache of sequences (prefill).

        Args:
            embeddings: (B, L, dim) input embeddings of whole sequences, padded on the right.
            lengths: (B,) number of real positions.
            lead: KV cache of the one leading part that all sequences share, if it was read before.
            conditioning: images that the positions of the whole sequences see.
        """
        width = embeddings.shape[1]
        embeddings, lengths = self.with_soft_prompt(embeddings, lengths)
        cached = before = 0
        cache: Cache | None
        if lead is not None:
            cached, cache = lead.mask.shape[1], lead.lead(embeddings.shape[1] - lengths)
        elif (cache := self.soft_prompt_cache(len(lengths))) is not None:
            before = self.soft_prompt_length
        else:
            cache = DynamicCache(config=self.model.config)
        if conditioning is not None:
            conditioning = left_padded_views(conditioning.behind(embeddings.shape[1] - width), lengths)
        embeddings, mask = left_padded(embeddings, lengths)
        mask = torch.cat([mask.new_ones(len(mask), before), mask], dim=1)
        seen = conditioning and conditioning.columns(cached)
        hidden = self.extend(embeddings[:, cached:], mask, cache, conditioning=seen)[:, -1]
        return KVCache(cache, mask, hidden, conditioning and conditioning.columns(-1))

    @torch.no_grad()
    def read_lead(self: Any, embeddings: Tensor, conditioning: Conditioning | None = None) -> KVCache:
        """Returns the KV cache of a leading part (1, L, dim) that other sequences will share.

        Args:
            embeddings: (1, L, dim) input embeddings.
            conditioning: images that the positions see.

        Raises:
            UserError: if a layer caches anything but keys and values, or the soft prompt is learned keys and values.
        """
        if self.soft_prompt_cache(1) is not None:
            raise UserError(
                "with learned keys and values in front, prompts cannot share a leading part; "
                "draw demonstrations per question"
            )
        layers = DynamicCache(config=self.model.config).layers
        if any(type(layer) not in KEYS_AND_VALUES for layer in layers):
            raise UserError(
                f"{self.name}: not all its layers keep keys and values, so prompts cannot share a leading part; "
                "draw demonstrations per question"
            )
        # No configuration, so no sliding window drops positions: `KVCache.lead` needs them all.
        cache = DynamicCache()
        width = embeddings.shape[1]
        embeddings, _ = self.with_soft_prompt(embeddings, torch.tensor([width], device=embeddings.device))
        mask = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
        seen = conditioning and conditioning.behind(embeddings.shape[1] - width)
        hidden = self.extend(embeddings, mask, cache, conditioning=seen)[:, -1]
        return KVCache(cache, mask, hidden, seen and seen.columns(-1))
