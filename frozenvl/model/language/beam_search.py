"""Beam search with a KV cache: prompts are read once, and images whose search is over leave the batch.

The results are those of transformers' `generate`. It repeats each prompt for each beam and computes all images until
the last one is done.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioning, parts
from frozenvl.model.language.decoding import NEUTRAL, cut_at
from frozenvl.model.language.kv_cache import KVCache
from frozenvl.model.language.prepacked import prepacked

BLOCK = 256
"""Number of neighbouring tokens of which only the likeliest is compared at first."""
ROWS = 8
"""Number of rows whose log-probabilities are computed at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class BeamOptions:
    """Options of beam search, as transformers names them."""

    num_beams: int
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> BeamOptions | None:
        """Returns the options of a plain beam search; None if others than these three change the texts.

        Invalid values give None, too: transformers explains them.
        """
        own = {name: value for name, value in options.items() if name in cls.__dataclass_fields__}
        others = {name: value for name, value in options.items() if name not in own}
        if any(name not in NEUTRAL or NEUTRAL[name] != value for name, value in others.items()):
            return None
        beams = own.get("num_beams", 1)
        if not isinstance(beams, int) or isinstance(beams, bool) or beams < 2:
            return None
        if not isinstance(own.get("length_penalty", 1.0), int | float):
            return None
        early = own.get("early_stopping", False)
        return cls(**own) if isinstance(early, bool) or early == "never" else None

    def normalized(self, scores: Tensor, length: int) -> Tensor:
        """Returns the scores of hypotheses of `length` tokens: sums of log-probabilities over a power of the length."""
        return scores / length**self.length_penalty


class Hypothesis(NamedTuple):
    """A finished continuation."""

    tokens: list[int]
    """Token ids, without the end token."""
    score: float
    """Sum of the log-probabilities of its tokens and of its end token, in nats, over a power of their number."""


class Step(NamedTuple):
    """Rows and tokens to continue with."""

    rows: list[int]
    """Row of the previous pass that each new row continues."""
    tokens: Tensor
    """(rows,) last token of each new row."""


@torch.no_grad()
def beam_search(
    language: FrozenLanguageModel,
    embeddings: Tensor,
    lengths: Tensor,
    max_new_tokens: int,
    options: BeamOptions,
    ends: Collection[int],
    lead: KVCache | None = None,
    conditioning: Conditioning | None = None,
) -> list[list[Hypothesis]]:
    """Continues `B` sequences by beam search.

    In fp32 and fp64 the texts are those of transformers' `generate`. In bf16 several tokens may have the same logit,
    and which of them comes first is arbitrary on both sides.

    Args:
        language: language model.
        embeddings: (B, L, dim) input embeddings of whole sequences, padded on the right.
        lengths: (B,) number of real positions.
        max_new_tokens: maximal length of a continuation.
        options: number of beams, length penalty, early stopping.
        ends: ids of the tokens that end a continuation.
        lead: KV cache of the one leading part that all sequences share, if it was read before.
        conditioning: images that the positions see, if the fusion is not in the embeddings.

    Returns:
        The best continuations of each sequence, best first: B lists, each as long as there are beams, or shorter if
        no more continuations ended.
    """
    if max_new_tokens < 1:
        return [[Hypothesis([], 0.0)] for _ in range(len(lengths))]
    with prepacked(max_new_tokens, language.model, *parts(conditioning)):
        past = language.read(embeddings, lengths, lead, conditioning)
        search = Search(len(lengths), max_new_tokens, options, ends, past.mask.device)
        while (step := search.advance(language.head(past.hidden))) is not None:
            if step.rows != list(range(len(past.mask))):
                past = past.reordered(torch.tensor(step.rows, device=past.mask.device))
            past = language.advance(past, step.tokens)
    return search.best


class Search:
    """Beams and finished hypotheses of the images that are not done.

    The n beams of an image are ordered by their scores, best first. Their rows in the KV cache are not: a beam stays in
    the row of the beam that it continues, so that the cache is copied only if two beams continue the same one.

    Shapes, for A images that are not done:
        tokens: (A, n, t) tokens of the beams.
        scores: (A, n) sums of their log-probabilities.
        finished: (A, n, T) tokens of the best finished hypotheses, filled up with an end token.
        finished_scores: (A, n) their normalised scores, best first; -inf where there is none yet.
    """

    def __init__(
        self, count: int, limit: int, options: BeamOptions, ends: Collection[int], device: torch.device
    ) -> None:
        self.limit, self.options, self.ends = limit, options, ends
        self.end_tokens = torch.tensor(sorted(ends), dtype=torch.long, device=device)
        self.best: list[list[Hypothesis]] = [[] for _ in range(count)]
        """Best continuations of each image that is done."""
        self.length, self.active = 0, list(range(count))
        # All beams of an image begin alike, so there is one until the first step.
        self.rows = [[index] for index in range(count)]
        n = options.num_beams
        self.tokens = torch.zeros(count, 1, 0, dtype=torch.long, device=device)
        self.scores = torch.zeros(count, 1, device=device)
        filler = int(self.end_tokens[0]) if ends else 0
        self.finished = torch.full((count, n, limit), filler, dtype=torch.long, device=device)
        self.finished_scores = torch.full((count, n), -torch.inf, device=device)

    def advance(self, logits: Tensor) -> Step | None:
        """Continues all beams by a token, given the logits (rows, vocabulary) after each row. None: all are done."""
        if not self.active:
            return None
        self.length += 1
        # Every beam may end with every end token; n of the candidates go on all the same.
        candidates = max(2, 1 + len(self.ends)) * self.options.num_beams
        scores, parents, tokens = self._candidates(logits, candidates)
        ended = torch.isin(tokens, self.end_tokens)
        if self.length == self.limit:
            ended = torch.ones_like(ended)
        texts = torch.cat([_at(self.tokens, parents), tokens[..., None]], dim=2)
        self._finish(texts, scores, ended)
        # The best candidates that did not end: a stable sort keeps their order.
        going_on = ended.int().sort(dim=1, stable=True).indices[:, : self.options.num_beams]
        self.tokens = _at(texts, going_on)
        self.scores = _at(scores.masked_fill(ended, -torch.inf), going_on)
        done = torch.ones_like(self.scores[:, 0]).bool() if self.length == self.limit else self._done()
        return self._leave(done.tolist(), _at(parents, going_on).tolist())

    def _candidates(self, logits: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns scores, beams and last tokens (A, count) of the best candidates of each image, best first."""
        ranked = [row for rows in self.rows for row in rows]
        logp, tokens = top_tokens(logits, min(count, logits.shape[1]))
        shape = (len(self.active), -1)
        ways = logp.shape[1]
        sums = logp[ranked].view(*self.scores.shape, ways) + self.scores[..., None]
        scores, index = sums.flatten(1).topk(min(count, sums[0].numel()), dim=1)
        return scores, index // ways, tokens[ranked].view(shape).gather(1, index)

    def _finish(self, texts: Tensor, scores: Tensor, ended: Tensor) -> None:
        """Adds the candidates that ended to the finished hypotheses, if they are better than those."""
        n = self.options.num_beams
        ended = ended & (torch.arange(ended.shape[1], device=ended.device) < n)
        new = self.options.normalized(scores, self.length).masked_fill(~ended, -torch.inf)
        if not ended.any():
            return
        filler = self.finished[:, :1, self.length :].expand(-1, texts.shape[1], -1)
        texts = torch.cat([self.finished, torch.cat([texts, filler], dim=2)], dim=1)
        merged, order = torch.cat([self.finished_scores, new], dim=1).topk(n, dim=1)
        self.finished, self.finished_scores = _at(texts, order), merged

    def _done(self) -> Tensor:
        """Returns the mask (A,) of the images whose finished hypotheses will not change any more.

        With `early_stopping: true`, that is as soon as there are n of them. Otherwise the best beam must have no chance
        to become better than the worst of them. It is compared at its present length or, with "never", at the length
        that is best for it.
        """
        full = self.finished_scores[:, -1].isfinite()
        options = self.options
        if options.early_stopping is True:
            return full
        longest = options.early_stopping == "never" and options.length_penalty > 0
        chance = options.normalized(self.scores[:, 0], self.limit if longest else self.length)
        return full & ~(chance > self.finished_scores[:, -1])

    def _leave(self, done: list[bool], parents: list[list[int]]) -> Step | None:
        """Takes out the images that are done, and returns the rows and tokens of the others."""
        for place, index in enumerate(self.active):
            if done[place]:
                scored = zip(self.finished[place].tolist(), self.finished_scores[place].tolist(), strict=True)
                self.best[index] = [
                    Hypothesis(cut_at(tokens, self.ends), score)
                    for rank, (tokens, score) in enumerate(scored)
                    if rank == 0 or score > -math.inf  # there is a best one even if its score is not a number
                ]
        stay = [place for place, is_done in enumerate(done) if not is_done]
        if not stay:
            self.active = []
            return None
        if len(stay) < len(done):
            places = torch.tensor(stay, device=self.scores.device)
            self.tokens, self.scores = self.tokens[places], self.scores[places]
            self.finished, self.finished_scores = self.finished[places], self.finished_scores[places]
            self.active = [self.active[place] for place in stay]
        rows, tokens, ranked = list[int](), list[int](), list[list[int]]()
        for place, last in zip(stay, self.tokens[..., -1].tolist(), strict=True):
            sources = [self.rows[place][parent] for parent in parents[place]]
            slots = places_near(sources, min(self.rows[place]))
            ranked.append([len(rows) + slot for slot in slots])
            of_slot = sorted(zip(slots, sources, last, strict=True))
            rows += [source for _, source, _ in of_slot]
            tokens += [token for _, _, token in of_slot]
        self.rows = ranked
        return Step(rows, torch.tensor(tokens, device=self.scores.device))


def places_near(sources: list[int], first: int) -> list[int]:
    """Returns a place, from 0 up, for each beam, given the row that it continues; `first` is the image's first row.

    The first beam that continues a row stays at its place. Others take the places that are left over.
    """
    places = [-1] * len(sources)
    free = list(range(len(sources)))
    for beam, source in enumerate(sources):
        if source - first in free:
            places[beam] = source - first
            free.remove(source - first)
    for beam, place in enumerate(places):
        if place < 0:
            places[beam] = free.pop(0)
    return places


def top_tokens(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns the log-probabilities, in fp32, and the ids (rows, count) of each row's likeliest tokens, best first.

    The likeliest tokens stand in the blocks with the largest maxima, so only few blocks are sorted. Sorting the whole
    vocabulary would take longer than the output head.
    """
    pieces = [_top_tokens(piece, count) for piece in logits.split(ROWS)]
    logp, tokens = zip(*pieces, strict=True)
    return torch.cat(logp), torch.cat(tokens)


def _top_tokens(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    logp = logits.float().log_softmax(-1)
    blocks = torch.nn.functional.pad(logp, (0, -logp.shape[1] % BLOCK), value=-torch.inf).unflatten(
        1, (-1, BLOCK)
    )
    # In order, so that among equals the first token wins whatever its block.
    best = blocks.amax(-1).topk(min(count, blocks.shape[1]), dim=1).indices.sort(dim=1).values
    chosen = blocks.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1)
    values, index = chosen.topk(count, dim=1)
    return values, best.gather(1, index // BLOCK) * BLOCK + index % BLOCK


def _at(values: Tensor, index: Tensor) -> Tensor:
    """Returns values (A, m, …) at an index (A, k) of their second dimension: (A, k, …)."""
    shape = index.shape + (1,) * (values.dim() - 2)
    return values.gather(1, index.view(shape).expand(*index.shape, *values.shape[2:]))
