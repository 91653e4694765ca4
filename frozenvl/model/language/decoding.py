"""Decoding: greedy, with finished sequences leaving the batch, and whatever else transformers' `generate` offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.kv_cache import KVCache, left_padded


@torch.no_grad()
def greedy(
    language: FrozenLanguageModel,
    embeddings: Tensor,
    lengths: Tensor,
    max_new_tokens: int,
    stop: Callable[[list[int]], bool],
    end: int,
    lead: KVCache | None = None,
) -> list[list[int]]:
    """Greedy continuation of each of `B` sequences; finished ones leave the batch.

    Args:
        embeddings: (B, L, D), padded on the right.
        lengths: (B,) positions that are not padding.
        stop: whether a continuation (token ids so far) has ended before the end token.
        lead: the single sequence that all of them begin with, where it was read before.

    Returns:
        B lists of token ids, without the end token.
    """
    past = language.read(embeddings, lengths, lead)
    cache, mask, hidden = past.cache, past.mask, past.hidden
    done: list[list[int]] = [[] for _ in range(len(lengths))]
    active = list(range(len(lengths)))
    for step in range(max_new_tokens):
        chosen = language.head(hidden).max(-1).indices  # as argmax, in a third of the time
        keep = []
        for row, (index, token) in enumerate(zip(active, chosen.tolist(), strict=True)):
            if token == end:
                continue
            done[index].append(token)
            if step + 1 < max_new_tokens and not stop(done[index]):
                keep.append(row)
        if not keep:
            break
        if len(keep) < len(active):
            rows: Any = torch.tensor(keep, dtype=torch.long, device=mask.device)
            cache.reorder_cache(rows)  # as `batch_select_indices`, which states do not have
            mask, chosen = mask[rows], chosen[rows]
            active = [active[row] for row in keep]
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
        hidden = language.extend(language.embed(chosen[:, None]), mask, cache)[:, -1]
    return done


@torch.no_grad()
def sample(
    language: FrozenLanguageModel, embeddings: Tensor, lengths: Tensor, end: int, **options
) -> list[list[int]]:
    """Beam search, sampling and whatever else transformers' `generate` offers, by its own option names.

    Returns:
        B lists of token ids, without the end token.
    """
    embeddings, mask = left_padded(*language.with_soft_prompt(embeddings, lengths))
    if (cache := language.soft_prompt_cache(len(mask) * int(options.get("num_beams", 1)))) is not None:
        # `generate` counts a cache's positions among those of its inputs, so something has to stand there.
        nothing = embeddings.new_zeros(len(embeddings), language.soft_prompt_length, language.dim)
        embeddings = torch.cat([nothing, embeddings], dim=1)
        mask = torch.cat([mask.new_ones(nothing.shape[:2]), mask], dim=1)
        options["past_key_values"] = cache
    with language.eagerly(), language.autocast():
        out = language.model.generate(
            inputs_embeds=embeddings, attention_mask=mask, eos_token_id=end, pad_token_id=end, **options
        )
    rows = out.tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]
