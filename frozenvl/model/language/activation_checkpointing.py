"""Gradient checkpointing: of each layer its input alone is kept; what is inside is computed again on the way back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.packing import packed
from frozenvl.util.errors import UserError


def checkpoint_layers(language: FrozenLanguageModel) -> None:
    """Has training keep of each layer its input alone.

    transformers' own checkpointing is for models in training mode, which a frozen one never is.

    Raises:
        UserError: where something is attached that layers would write into twice.
    """
    if language.soft_prompt is not None and language.soft_prompt.cache(1) is not None:
        raise UserError(
            "model.checkpointing computes layers twice, and learned keys and values (PrefixTuning) stand in a cache "
            "that they write to: leave one of them out"
        )
    for layer in language.layers:
        layer.forward = partial(_again_on_the_way_back, layer.forward)


def _again_on_the_way_back(forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    # Sequences that are packed have to be so again: by then, others may have gone through the model.
    contexts = nullcontext(), packed.now or nullcontext()
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=lambda: contexts, **named)
