"""Activation (gradient) checkpointing: training keeps only the input of each layer and recomputes the rest."""

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
    """Switches on checkpointing of every layer. Layers are recomputed in the backward pass.

    transformers' own checkpointing works in training mode only, but a frozen model stays in eval mode.

    Raises:
        UserError: if learned keys and values (prefix tuning) are attached: a layer run twice would write to them twice.
    """
    if language.soft_prompt is not None and language.soft_prompt.cache(1) is not None:
        raise UserError(
            "model.checkpointing computes layers twice, and learned keys and values (PrefixTuning) stand in a cache "
            "that they write to: leave one of them out"
        )
    for layer in language.layers:
        layer.forward = partial(_checkpointed, layer.forward)


def _checkpointed(forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    # Recomputation needs the same packing; by then, other sequences may have gone through the model.
    contexts = nullcontext(), packed.now or nullcontext()
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=lambda: contexts, **named)
