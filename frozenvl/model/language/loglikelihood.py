"""Log-likelihood of texts as continuations of a KV cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.cross_entropy import target_nll
from frozenvl.model.language.kv_cache import KVCache


class Likelihood(NamedTuple):
    """Log-likelihood of a text. `logp` and `tokens` include the end token."""

    logp: float
    """Log-probability in nats."""
    tokens: int
    """Number of tokens."""
    end: float = 0.0
    """Log-probability of the end token, in nats."""
    greedy: bool = False
    """Whether greedy decoding writes the text. The end token does not count."""


def likelihoods(
    language: FrozenLanguageModel, past: KVCache, texts: Sequence[tuple[int, list[int]]], positions: int
) -> list[Likelihood]:
    """Returns the likelihood of each text after a row of a KV cache.

    Args:
        language: language model.
        past: KV cache of the prompts; it is not changed.
        texts: (row of the KV cache, token ids) of each text, with at least one token.
        positions: maximal number of positions in one pass, cached positions included.
    """
    width = past.mask.shape[1] + max((len(tokens) for _, tokens in texts), default=0)
    size = max(1, positions // width)
    pieces = (texts[start : start + size] for start in range(0, len(texts), size))
    return [likelihood for piece in pieces for likelihood in _in_one_pass(language, past, piece)]


def _in_one_pass(
    language: FrozenLanguageModel, past: KVCache, texts: Sequence[tuple[int, list[int]]]
) -> list[Likelihood]:
    device = past.hidden.device
    rows = torch.tensor([row for row, _ in texts], device=device)
    lengths = torch.tensor([len(tokens) - 1 for _, tokens in texts], device=device)
    hidden = past.hidden[rows]  # they predict the first token of each text
    width = int(lengths.max())
    if width:  # the last token is predicted but never an input
        inputs = torch.tensor(
            [tokens[:-1] + [0] * (width + 1 - len(tokens)) for _, tokens in texts], device=device
        )
        hidden = torch.cat([hidden, language.hidden(language.embed(inputs), lengths, past.rows(rows))])
    labels = [tokens[0] for _, tokens in texts] + [token for _, tokens in texts for token in tokens[1:]]
    likeliest = []

    def head(rows: Tensor) -> Tensor:
        logits = language.head(rows)
        likeliest.append(logits.max(-1).indices)
        return logits

    targets = torch.tensor(labels, device=device)
    nll = target_nll(hidden, targets, head)
    owner = torch.arange(len(texts), device=device)
    owner = torch.cat([owner, owner.repeat_interleave(lengths)])
    sums = nll.new_zeros(len(texts)).index_add(0, owner, -nll).tolist()
    last = torch.where(
        lengths > 0, len(texts) - 1 + lengths.cumsum(0), torch.arange(len(texts), device=device)
    )
    ends = (-nll[last]).tolist()
    misses = torch.cat(likeliest) != targets
    misses[last] = False
    missed = torch.zeros(len(texts), device=device).index_add(0, owner, misses.float()).tolist()
    rows_of = zip(sums, texts, ends, missed, strict=True)
    return [Likelihood(logp, len(tokens), end, not wrong) for logp, (_, tokens), end, wrong in rows_of]
