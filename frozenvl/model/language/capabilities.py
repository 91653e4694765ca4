"""What an architecture can do is tried when it is loaded, not looked up by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.language.causal_lm import FrozenLanguageModel


def two_sequences(language: FrozenLanguageModel) -> tuple[Tensor, Tensor]:
    """Embeddings and lengths of two short sequences of unequal length."""
    device = language.model.get_input_embeddings().weight.device
    tokens = torch.arange(10, device=device).view(2, 5) % language.model.config.vocab_size
    return language.embed(tokens), torch.tensor([5, 3], device=device)


def alike(language: FrozenLanguageModel, ours: Tensor, theirs: Tensor) -> bool:
    return torch.allclose(ours, theirs, rtol=language.tolerance, atol=language.tolerance)


@torch.no_grad()
def can_pack(language: FrozenLanguageModel) -> bool:
    """Whether packed sequences give what padded ones give: some architectures ignore the request."""
    embeddings, lengths = two_sequences(language)
    expected = language.hidden(embeddings, lengths)
    if not language.has_positions:
        return False
    language.packs = True
    try:
        return alike(language, language.hidden(embeddings, lengths), expected)
    except Exception:  # whatever an architecture does that does not expect this attention
        return False


@torch.no_grad()
def check_head(language: FrozenLanguageModel) -> None:
    """The head on chosen positions has to be the model's own; a new architecture may do more to its logits.

    Raises:
        UserError: where it does.
    """
    embeddings, lengths = two_sequences(language)
    ours = language.head(language.hidden(embeddings[:1], lengths[:1]))
    theirs = language.model(inputs_embeds=embeddings[:1], use_cache=False).logits[0]
    if not alike(language, ours, theirs):
        raise UserError(
            f"{language.name}: {type(language.model).__name__} changes its logits in a way that is not known here; "
            "choose another language model"
        )


def check_cache(language: FrozenLanguageModel) -> None:
    """What goes on from what was read has to be what the whole gives; some ignore a cache and say nothing.

    Some that remember a state ignore it where they go on by more than one position.

    Raises:
        UserError: where it is not.
    """
    if goes_on(language):
        return
    language.goes_on_singly = True
    if not goes_on(language):
        raise UserError(
            f"{language.name}: {type(language.model).__name__} does not go on from what it has read in a way that is "
            "known here; choose another language model"
        )


@torch.no_grad()
def goes_on(language: FrozenLanguageModel) -> bool:
    """Whether the last two positions of sequences are after the first ones what they are in the whole, with padding."""
    embeddings, lengths = two_sequences(language)
    ends = lengths.cumsum(0)
    whole = language.hidden(embeddings, lengths)[torch.stack([ends - 2, ends - 1], dim=1).flatten()]
    last = torch.stack([row[n - 2 : n] for row, n in zip(embeddings, lengths.tolist(), strict=True)])
    try:
        past = language.read(embeddings, lengths - 2)
        return alike(language, language.hidden(last, torch.full_like(lengths, 2), past), whole)
    except Exception:  # whatever an architecture does that remembers something else
        return False
