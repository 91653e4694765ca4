"""Growing KV cache: one sequence that is read piece by piece, and may be read anew from any place."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioning
from frozenvl.model.language.kv_cache import KEYS_AND_VALUES


class GrowingCache:
    """KV cache of one sequence, such as a conversation. `read` reads only what differs from the sequence before.

    Keys and values are cut back to the common beginning. A recurrent state cannot be cut back: a copy of it is kept
    from the end of each `read`, and reading goes on from the last copy inside the common beginning.

    Args:
        language: language model in eval mode. Its weights must not change.
    """

    def __init__(self, language: FrozenLanguageModel) -> None:
        self.language = language
        self._keys: list[Hashable] = []
        self._cache: Cache | None = None
        self._copies: list[tuple[int, Cache]] = []
        """Recurrent states, each with its number of positions."""
        layers = DynamicCache(config=language.model.config).layers
        self.can_be_cut = bool(layers) and all(type(layer) in KEYS_AND_VALUES for layer in layers)
        """Whether all layers keep keys and values of single positions."""

    def __len__(self) -> int:
        """Returns the number of positions that were read, without the soft prompt."""
        return len(self._keys)

    @torch.no_grad()
    def read(
        self, keys: Sequence[Hashable], embeddings: Tensor, conditioning: Conditioning | None = None
    ) -> Tensor:
        """Reads a sequence and returns the last hidden state (1, dim) at its end.

        Args:
            keys: what each of the L positions holds. Positions with equal keys, behind equal beginnings, are equal.
            embeddings: (1, L, dim) input embeddings of the whole sequence.
            conditioning: images that its positions see.
        """
        pairs = zip(keys, self._keys, strict=False)
        common = next((place for place, (new, old) in enumerate(pairs) if new != old), len(self._keys))
        cache, start = self._cut(min(common, len(keys) - 1))
        width, language = embeddings.shape[1], self.language
        embeddings, _ = language.with_soft_prompt(embeddings, torch.tensor([width], device=embeddings.device))
        vectors = embeddings.shape[1] - width
        if conditioning is not None:
            conditioning = conditioning.behind(vectors)
        first = start + vectors if start else 0
        seen = conditioning and conditioning.columns(first)
        hidden = self._extend(cache, embeddings[:, first:], seen, list(keys))
        if not self.can_be_cut:
            self._copies.append((len(keys), copy.deepcopy(cache)))
        return hidden

    @torch.no_grad()
    def advance(self, token: int, key: Hashable, conditioning: Conditioning | None = None) -> Tensor:
        """Reads one more token and returns its last hidden state (1, dim).

        Args:
            token: id of the token.
            key: what the position holds; see `read`.
            conditioning: images that the position sees.
        """
        device = self.language.model.get_input_embeddings().weight.device
        embedding = self.language.embed(torch.tensor([[token]], device=device))
        cache, _ = self._cut(len(self._keys))
        return self._extend(cache, embedding, conditioning, [*self._keys, key])

    def _extend(
        self, cache: Cache, embeddings: Tensor, conditioning: Conditioning | None, keys: list[Hashable]
    ) -> Tensor:
        """Reads more positions into a cache, which then holds the positions `keys`."""
        if not self.can_be_cut:
            self._cache = None  # until all is read: an interruption would leave half a step in the state
        mask = torch.ones(1, self.language.soft_prompt_length + len(keys), dtype=torch.long)
        mask = mask.to(embeddings.device)
        hidden = self.language.extend(embeddings, mask, cache, conditioning=conditioning)[:, -1]
        self._cache, self._keys = cache, keys
        return hidden

    def _cut(self, length: int) -> tuple[Cache, int]:
        """Returns a cache of at most the first `length` positions, and their number."""
        if self.can_be_cut:
            if self._cache is None or not length:
                self._cache, self._keys = self._new(), []
                return self._cache, 0
            self._keys = self._keys[:length]
            kept = self.language.soft_prompt_length + length
            layer: Any
            for layer in self._cache.layers:
                # Also after an interruption, when some layers hold more positions than others.
                layer.keys, layer.values = layer.keys[..., :kept, :], layer.values[..., :kept, :]
            return self._cache, length
        self._copies = [(size, state) for size, state in self._copies if size <= length]
        if self._cache is not None and 0 < len(self._keys) <= length:
            return self._cache, len(self._keys)
        if self._copies:
            size, state = self._copies[-1]
            self._keys = self._keys[:size]
            return copy.deepcopy(state), size
        self._keys = []
        return self._new(), 0

    def _new(self) -> Cache:
        """Returns an empty cache, or one with the keys and values of a soft prompt."""
        if (cache := self.language.soft_prompt_cache(1)) is not None:
            return cache
        # Without a configuration no sliding window drops positions, so that the cache can be cut back.
        return DynamicCache() if self.can_be_cut else DynamicCache(config=self.language.model.config)
