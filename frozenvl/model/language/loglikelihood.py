"""How likely texts are to follow what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.cross_entropy import target_nll
from frozenvl.model.language.kv_cache import KVCache


class Likelihood(NamedTuple):
    """Log-probability of a text, in nats, and its number of tokens; the end token included in both."""

    logp: float
    tokens: int


def likelihoods(
    language: FrozenLanguageModel, past: KVCache, texts: Sequence[tuple[int, list[int]]], positions: int
) -> list[Likelihood]:
    """Likelihood of each text after a row of the past.

    Args:
        texts: (row, its tokens, at least one).
        positions: how many may exist at a time, those of the past included.
    """
    width = past.mask.shape[1] + max((len(tokens) for _, tokens in texts), default=0)
    size = max(1, positions // width)
    pieces = (texts[start : start + size] for start in range(0, len(texts), size))
    return [each for piece in pieces for each in _at_once(language, past, piece)]


def _at_once(
    language: FrozenLanguageModel, past: KVCache, texts: Sequence[tuple[int, list[int]]]
) -> list[Likelihood]:
    device = past.hidden.device
    rows = torch.tensor([row for row, _ in texts], device=device)
    lengths = torch.tensor([len(tokens) - 1 for _, tokens in texts], device=device)
    hidden = past.hidden[rows]  # which predict the first token of each
    width = int(lengths.max())
    if width:  # the last token is predicted but never fed
        fed = torch.tensor(
            [tokens[:-1] + [0] * (width + 1 - len(tokens)) for _, tokens in texts], device=device
        )
        hidden = torch.cat([hidden, language.hidden(language.embed(fed), lengths, past.rows(rows))])
    labels = [tokens[0] for _, tokens in texts] + [token for _, tokens in texts for token in tokens[1:]]
    nll = target_nll(hidden, torch.tensor(labels, device=device), language.head)
    owner = torch.arange(len(texts), device=device)
    owner = torch.cat([owner, owner.repeat_interleave(lengths)])
    sums = nll.new_zeros(len(texts)).index_add(0, owner, -nll).tolist()
    return [Likelihood(logp, len(tokens)) for logp, (_, tokens) in zip(sums, texts, strict=True)]
