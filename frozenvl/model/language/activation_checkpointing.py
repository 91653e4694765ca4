"""Activation (gradient) checkpointing: training keeps only the input of each layer and recomputes the rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import conditioned
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
    language.checkpoints = True
    for layer in language.layers:
        layer.forward = partial(_checkpointed, layer.forward)


def _checkpointed(forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    # Recomputation needs the same packing and images; by then, other sequences may have gone through the model.
    contexts = nullcontext(), _Again(packed.now, conditioned.now())
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=lambda: contexts, **named)


class _Again:
    """Context manager that enters the contexts of a pass again."""

    def __init__(self, *contexts: AbstractContextManager | None) -> None:
        self.contexts = [context for context in contexts if context is not None]

    def __enter__(self) -> None:
        for context in self.contexts:
            context.__enter__()

    def __exit__(self, *_: object) -> None:
        for context in reversed(self.contexts):
            context.__exit__(None, None, None)
