"""Attention to images beside the attention to the text, for passes that are not packed."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from frozenvl.model.language.conditioning import ATTENTION, add_image_attention

TEXT = "sdpa"
"""Name of the attention to the text."""


def conditioned_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, Any]:
    """Computes a layer's attention to the text, and adds its attention to the images of the current pass."""
    text = ALL_ATTENTION_FUNCTIONS[TEXT]
    out, weights = text(module, query, key, value, attention_mask, **options)
    scaling = options.get("scaling")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return add_image_attention(module, query, out, scale), weights


AttentionInterface.register(ATTENTION, conditioned_attention)
AttentionMaskInterface.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS[TEXT])
