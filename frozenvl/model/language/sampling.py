"""Sampling of several continuations of each prompt from the full distribution, for self-critical training."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioning, parts
from frozenvl.model.language.prepacked import prepacked
from frozenvl.util.errors import UserError

BLOCK = 256
"""Number of neighbouring tokens whose probabilities are summed first. The sums of a 50,000-word vocabulary are 200."""


class Sampled(NamedTuple):
    """A continuation with its end."""

    tokens: list[int]
    """Token ids. The last one is the end token if the continuation ended."""
    ended: bool
    """True if it ended with an end token, False if it was cut at the length limit."""

    @property
    def words(self) -> list[int]:
        """Token ids without the end token."""
        return self.tokens[:-1] if self.ended else self.tokens


@torch.no_grad()
def sample_continuations(
    language: FrozenLanguageModel,
    embeddings: Tensor,
    lengths: Tensor,
    uniforms: Tensor,
    ends: Collection[int],
    greedy: bool = False,
    conditioning: Conditioning | None = None,
    temperature: float = 1.0,
) -> list[list[Sampled]]:
    """Samples n continuations of each of `B` prompts. A prompt is read once, and so is a beginning that several share.

    Tokens come from the softmax over the whole vocabulary. So the expectation of a reward over the samples has an
    unbiased policy gradient, if they are scored at the same temperature. The random numbers are given. So a
    continuation depends on its own prompt and numbers only, not on the other rows (except where a number is as near to
    the border between two tokens as the logits' last digits, which may depend on the rows computed together).

    Args:
        language: language model.
        embeddings: (B, L, dim) input embeddings of whole prompts, padded on the right.
        lengths: (B,) number of real positions.
        uniforms: (B, n, T) numbers in [0, 1): one for each of up to T tokens of each continuation.
        ends: ids of the tokens that end a continuation.
        greedy: whether to add the greedy continuation of each prompt, of up to T tokens, after its n samples.
        conditioning: images that the positions see, if the fusion is not in the embeddings.
        temperature: divisor of the logits.

    Returns:
        The n (or n + 1) continuations of each prompt.

    Raises:
        UserError: if a prompt with T more tokens is longer than the model's context.
    """
    prompts, samples, limit = uniforms.shape
    _check_length(language, lengths, limit)
    each = samples + greedy
    tokens: list[list[int]] = [[] for _ in range(prompts * each)]
    ended = [False] * len(tokens)
    if not tokens:
        return [[] for _ in range(prompts)]
    with prepacked(limit, language.model, *parts(conditioning)):
        past = language.read(embeddings, lengths, conditioning=conditioning)
        logits, device = language.head(past.hidden) / temperature, past.mask.device
        numbers = uniforms.to(device, torch.float64)
        if greedy:
            numbers = torch.cat([numbers, numbers.new_full((prompts, 1, limit), torch.nan)], dim=1)
        numbers = numbers.flatten(0, 1)
        active = list(range(len(tokens)))
        rows = [place // each for place in active]  # row of the cache of each active continuation
        for position in range(limit):
            chosen = token_at(logits[rows], numbers[active, position]).tolist()
            for place, token in zip(active, chosen, strict=True):
                tokens[place].append(token)
                ended[place] = token in ends
            if position + 1 == limit or all(ended):
                break
            # Continuations of one row and token are the same text so far: they have one row until they part.
            texts = [
                text
                for text, place in zip(zip(rows, chosen, strict=True), active, strict=True)
                if not ended[place]
            ]
            active = [place for place in active if not ended[place]]
            row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
            rows = [row_of[text] for text in texts]
            source, inputs = torch.tensor(list(row_of), device=device).unbind(1)
            if source.tolist() != list(range(len(past.mask))):
                past = past.reordered(source)
            past = language.advance(past, inputs)
            logits = language.head(past.hidden) / temperature
    continuations = [Sampled(*pair) for pair in zip(tokens, ended, strict=True)]
    return [continuations[start : start + each] for start in range(0, len(continuations), each)]


def token_at(logits: Tensor, numbers: Tensor) -> Tensor:
    """Returns the token (rows,) at a place of the cumulative distribution of logits (rows, vocabulary).

    The inverse of the distribution function is found in two steps, by blocks of tokens. One cumulative sum over the
    vocabulary would take longer, and lose the precision of small probabilities.

    Args:
        logits: (rows, vocabulary) logits.
        numbers: (rows,) numbers in [0, 1), in float64; NaN stands for the likeliest token.
    """
    largest, likeliest = logits.max(-1)
    wide = torch.promote_types(logits.dtype, torch.float32)
    weights = torch.exp(logits.to(wide) - largest.to(wide)[:, None])
    vocabulary = weights.shape[1]
    weights = torch.nn.functional.pad(weights, (0, -vocabulary % BLOCK)).unflatten(1, (-1, BLOCK))
    sums = weights.sum(-1).double()
    place = numbers.nan_to_num(0.0) * sums.sum(-1)
    block, rest = _first_above(sums, place)
    inside = weights[torch.arange(len(block), device=block.device), block].double()
    token = block * BLOCK + _first_above(inside, rest)[0]
    return torch.where(numbers.isnan(), likeliest, token)


def _first_above(weights: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the first index (rows,) whose cumulative weight is above `place`, and `place` less the weights before.

    Rounding may leave no such index. The largest weight is taken then: an index of weight 0 is never returned.
    """
    sums = weights.cumsum(-1)
    above = sums > place[:, None]
    index = torch.where(above.any(-1), above.int().argmax(-1), weights.argmax(-1))
    before = sums.gather(1, index[:, None]) - weights.gather(1, index[:, None])
    return index, (place - before[:, 0]).clamp(min=0)


def _check_length(language: FrozenLanguageModel, lengths: Tensor, limit: int) -> None:
    """Raises `UserError` if a prompt and `limit` more tokens are longer than the model's context."""
    longest = language.soft_prompt_length + max(lengths.tolist(), default=0) + limit
    if language.max_positions is not None and longest > language.max_positions:
        raise UserError(
            f"a prompt with its sampled text has {longest} positions, {language.name} only "
            f"{language.max_positions}; use a smaller k or a smaller max_new_tokens"
        )
