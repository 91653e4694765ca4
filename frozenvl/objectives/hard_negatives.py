"""Hard negatives for matching: draws of wrong pairs by similarity, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from frozenvl.model.batch import IGNORE, Batch
from frozenvl.objectives.contrastive import alike

PairKey: TypeAlias = tuple[str, str, str]
"""Image, text and sample id of a pair."""
Tail: TypeAlias = list[tuple[int, int]]
"""Text of a pair, and what follows it: (token id, index of the marker or -1) of each position behind the image."""


class Embeddings(NamedTuple):
    """Embeddings of pairs, and how strongly they decide which negatives are drawn."""

    texts: Tensor
    """(n, dim), of length 1."""
    images: Tensor
    """(n, dim), of length 1."""
    temperature: float


class Wrong(NamedTuple):
    """A wrong pair of an image of a batch and a text from anywhere."""

    pair: int
    """Index of the batch's pair that has the image."""
    tail: Tail
    """The text."""


def drawn(
    keys: Sequence[PairKey], embeddings: Embeddings | None, generator: torch.Generator
) -> list[tuple[int, int]]:
    """Draws wrong pairs: a text for the image of each pair, and an image for its text; returns (image, text) indices.

    A pair with the same image or the same text is never drawn. Draws do not depend on the order of the pairs.

    Args:
        keys: keys of the pairs.
        embeddings: embeddings of the pairs, on the CPU; None draws uniformly.
        generator: source of randomness.
    """
    if not keys:
        return []
    # In the order of their keys, since the order of a step's pairs depends on how it is divided.
    order = torch.tensor(sorted(range(len(keys)), key=keys.__getitem__))
    scores = torch.zeros(len(keys), len(keys), dtype=torch.float64)
    if embeddings is not None:
        texts, images = (side[order].double() for side in embeddings[:2])
        scores = images @ texts.T / embeddings.temperature
    masked = alike([keys[place][:2] for place in order.tolist()])
    # The largest of logits with Gumbel noise is a draw from their softmax.
    uniform = torch.rand(2, *scores.shape, generator=generator, dtype=torch.float64)
    noise = -(-uniform.clamp(min=1e-300).log()).log()
    pairs: list[tuple[int, int]] = []
    for side, of_image in enumerate((True, False)):
        logits = scores if of_image else scores.T
        chosen = (logits + noise[side]).masked_fill(masked, float("-inf")).argmax(1)
        places = order.tolist()
        for row, found in enumerate(map(int, chosen)):
            if not masked[row].all():
                given, other = places[row], places[found]
                pairs.append((given, other) if of_image else (other, given))
    return pairs


def pair_keys(pairs: Batch) -> list[PairKey]:
    """Returns the keys of rows that are pairs. Texts that differ in case or spaces only are equal."""
    image = pairs.image_of.gather(1, pairs.lengths[:, None] - 1)[:, 0].tolist() if len(pairs) else []
    texts = (" ".join(text.lower().split()) for text in pairs.texts)
    return [
        (pairs.image_keys[place], text, key) for place, text, key in zip(image, texts, pairs.ids, strict=True)
    ]


def pair_tails(pairs: Batch) -> list[Tail]:
    """Returns the text of each pair, as tokens: what is behind the image."""
    markers = _markers(pairs)
    return [
        list(zip(pairs.tokens[row, start:end].tolist(), markers[row, start:end].tolist(), strict=True))
        for row, (start, end) in enumerate(zip(_starts(pairs), pairs.lengths.tolist(), strict=True))
    ]


def with_wrong_pairs(pairs: Batch, wrong: Sequence[Wrong]) -> Batch:
    """Returns the rows of pairs, then those of wrong pairs, with all images of the batch."""
    starts, markers = _starts(pairs), _markers(pairs)
    columns = torch.stack([pairs.tokens, pairs.slots, pairs.image_of, markers], dim=-1)
    rows = [row[:length] for row, length in zip(columns, pairs.lengths.tolist(), strict=True)]
    for pair, tail in wrong:
        own = columns[pair]
        image = int(own[starts[pair], 2])
        behind = own.new_tensor([(token, -1, image, marker) for token, marker in tail])
        rows.append(torch.cat([own[: starts[pair]], behind]))
    padded = pad_sequence(rows, batch_first=True, padding_value=-1)
    places = [*range(len(pairs)), *(pair for pair, _ in wrong)]
    return replace(
        pairs,
        ids=tuple(pairs.ids[place] for place in places),
        tokens=padded[..., 0].clamp(min=0),
        slots=padded[..., 1],
        labels=torch.full_like(padded[..., 0], IGNORE),
        lengths=torch.tensor([len(row) for row in rows], device=padded.device),
        image_of=padded[..., 2],
        markers=padded[..., 3] if pairs.markers.numel() else pairs.markers,
        index=torch.empty(0, dtype=torch.long),
        texts=(),
        target_bytes=(),
    )


def _markers(pairs: Batch) -> Tensor:
    """Returns the marker (B, L) at each position; -1 everywhere if the batch has none."""
    return pairs.markers if pairs.markers.numel() else torch.full_like(pairs.tokens, -1)


def _starts(pairs: Batch) -> list[int]:
    """Returns the position of the first token behind the image of each pair.

    An image may take no position, if the fusion needs none.
    """
    behind = (pairs.image_of >= 0) & (pairs.slots < 0)
    return behind.int().argmax(1).tolist() if len(pairs) else []
