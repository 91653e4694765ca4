"""Attention weights of a language model, in a pass of their own: its fused attention returns none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from frozenvl.model.language.capabilities import alike
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioning
from frozenvl.util.errors import UserError


@torch.no_grad()
def attention_weights(
    language: FrozenLanguageModel, embeddings: Tensor, conditioning: Conditioning | None = None
) -> Tensor:
    """Returns the attention weights of one sequence in all layers that have attention, in fp32.

    The weights of a position over all positions sum to 1. A soft prompt's positions come first among those that are
    attended to.

    Args:
        language: language model. While this runs, its attention is transformers' eager one: no other thread may use it.
        embeddings: (1, L, dim) input embeddings, without padding.
        conditioning: images that the positions see, if the fusion is not in the embeddings.

    Returns:
        (layers, heads, L, soft prompt + L)

    Raises:
        UserError: if the model has no attention (Mamba), or its weights cannot be had (Falcon).
    """
    refusal = UserError(
        f"{language.name}: {type(language.model).__name__} has no attention weights to show; explain by occlusion"
    )
    if language.is_recurrent:
        raise refusal
    before = language.soft_prompt_length
    width = embeddings.shape[1]
    expected = language.hidden(
        embeddings, torch.tensor([width], device=embeddings.device), conditioning=conditioning
    )
    cache = language.soft_prompt_cache(1)
    inputs: dict[str, Any] = {}
    if cache is None:
        lengths = torch.tensor([width], device=embeddings.device)
        embeddings, _ = language.with_soft_prompt(embeddings, lengths)
    else:
        mask = torch.ones(1, before + width, dtype=torch.long, device=embeddings.device)
        inputs |= {"attention_mask": mask, language.cache_name: cache}
    seen = conditioning
    if conditioning is not None:
        seen = conditioning.behind(embeddings.shape[1] - width)
    with eager(language), language.eagerly(), language.autocast(), language.seeing(seen):
        out = language.model.base_model(
            inputs_embeds=embeddings, use_cache=cache is not None, output_attentions=True, **inputs
        )
    layers = [layer[0] for layer in getattr(out, "attentions", None) or () if layer is not None]
    # Some architectures (Falcon) cannot be switched, and compute attention without its causal mask then.
    if not layers or not alike(language, out.last_hidden_state[0, -width:], expected):
        raise refusal
    return torch.stack(layers)[:, :, -width:].float()


@contextmanager
def eager(language: FrozenLanguageModel) -> Iterator[None]:
    """Context manager in which a language model's attention is computed step by step, and its weights are known."""
    implementation = language.model.config._attn_implementation
    language.model.set_attn_implementation("eager")
    try:
        yield
    finally:
        language.model.set_attn_implementation(implementation)
