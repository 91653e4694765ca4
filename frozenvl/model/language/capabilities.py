"""Tests of what an architecture can do, run when a model is loaded. Nothing is looked up by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from frozenvl.model.prefix_tree import PrefixTree
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.language.causal_lm import FrozenLanguageModel


def two_sequences(language: FrozenLanguageModel) -> tuple[Tensor, Tensor]:
    """Returns the embeddings and lengths of two short test sequences of unequal length."""
    device = language.model.get_input_embeddings().weight.device
    tokens = torch.arange(10, device=device).view(2, 5) % language.model.config.vocab_size
    return language.embed(tokens), torch.tensor([5, 3], device=device)


def alike(language: FrozenLanguageModel, ours: Tensor, theirs: Tensor) -> bool:
    """Returns whether two tensors are equal within the model's tolerance."""
    return torch.allclose(ours, theirs, rtol=language.tolerance, atol=language.tolerance)


@torch.no_grad()
def can_pack(language: FrozenLanguageModel) -> bool:
    """Returns whether packed sequences with a common beginning give the same results as padded ones.

    Some architectures ignore packing.
    """
    embeddings, lengths = two_sequences(language)
    # A third sequence begins as the first, and goes on as the second.
    third = torch.cat([embeddings[:1, :2], embeddings[1:, :3]], dim=1)
    embeddings, lengths = torch.cat([embeddings, third]), torch.cat([lengths, lengths[:1]])
    tree = PrefixTree((1, 0, 2), (0, 0, 2))
    expected = language.hidden(embeddings, lengths)
    if not language.has_positions:
        return False
    language.packs = True
    try:
        return alike(language, language.hidden(embeddings, lengths, tree=tree), expected)
    except Exception:  # architectures that do not expect this attention may raise anything
        return False


@torch.no_grad()
def check_head(language: FrozenLanguageModel) -> None:
    """Checks that `language.head` gives the model's own logits. A new architecture may transform its logits further.

    Raises:
        UserError: if the logits differ.
    """
    embeddings, lengths = two_sequences(language)
    logits = language.head(language.hidden(embeddings[:1], lengths[:1]))
    expected = language.model(inputs_embeds=embeddings[:1], use_cache=False).logits[0]
    if not alike(language, logits, expected):
        raise UserError(
            f"{language.name}: {type(language.model).__name__} transforms its logits in an unsupported way; "
            "choose another language model"
        )


def check_cache(language: FrozenLanguageModel) -> None:
    """Checks that continuing from a KV cache gives the same as the whole sequence. Some models ignore a cache silently.

    Some recurrent models ignore their state if they continue by more than one position. Such a model gets
    `goes_on_singly`.

    Raises:
        UserError: if the results differ, even one position at a time.
    """
    if goes_on(language):
        return
    language.goes_on_singly = True
    if not goes_on(language):
        raise UserError(
            f"{language.name}: {type(language.model).__name__} does not continue correctly from its cache; "
            "choose another language model"
        )


@torch.no_grad()
def goes_on(language: FrozenLanguageModel) -> bool:
    """Returns whether the last two positions, run from a cache of the others, give the same as the whole sequences."""
    embeddings, lengths = two_sequences(language)
    ends = lengths.cumsum(0)
    whole = language.hidden(embeddings, lengths)[torch.stack([ends - 2, ends - 1], dim=1).flatten()]
    last = torch.stack([row[n - 2 : n] for row, n in zip(embeddings, lengths.tolist(), strict=True)])
    try:
        past = language.read(embeddings, lengths - 2)
        return alike(language, language.hidden(last, torch.full_like(lengths, 2), past), whole)
    except Exception:  # architectures with another kind of cache may raise anything
        return False
