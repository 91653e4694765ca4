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


def judged(keys: Sequence[PairKey], most: int | None, generator: torch.Generator) -> list[int]:
    """Draws the pairs that are judged, without replacement; returns their indices. They do not depend on the order.

    Args:
        keys: keys of the pairs.
        most: largest number of pairs; None for all.
        generator: source of randomness.
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    if most is None or most >= len(keys):
        return order
    return [order[place] for place in torch.randperm(len(keys), generator=generator)[:most].tolist()]


def drawn(
    keys: Sequence[PairKey],
    embeddings: Embeddings | None,
    generator: torch.Generator,
    given: Sequence[int] | None = None,
) -> list[tuple[int, int]]:
    """Draws wrong pairs: a text for the image of each pair, and an image for its text; returns (image, text) indices.

    A pair with the same image or the same text is never drawn. Draws do not depend on the order of the pairs.

    Args:
        keys: keys of the pairs.
        embeddings: embeddings of the pairs, on the CPU; None draws uniformly.
        generator: source of randomness.
        given: indices of the pairs that wrong ones are drawn for, among all; by default all, in the order of keys.
    """
    # In the order of their keys, since the order of a step's pairs depends on how it is divided.
    order = sorted(range(len(keys)), key=keys.__getitem__)
    given = order if given is None else given
    if not given:
        return []
    place = {index: row for row, index in enumerate(order)}
    rows = torch.tensor([place[index] for index in given])
    masked = alike([keys[index][:2] for index in order])[rows]
    pairs: list[tuple[int, int]] = []
    for of_image in (True, False):
        # The largest of logits with Gumbel noise is a draw from their softmax.
        uniform = torch.rand(masked.shape, generator=generator, dtype=torch.float64)
        logits = -(-uniform.clamp(min=1e-300).log()).log()
        if embeddings is not None:
            texts, images = (side[order].double() for side in embeddings[:2])
            queries, items = (images, texts) if of_image else (texts, images)
            logits = logits + queries[rows] @ items.T / embeddings.temperature
        found = logits.masked_fill(masked, float("-inf")).argmax(1)
        for index, other, none in zip(given, map(int, found), masked.all(1).tolist(), strict=True):
            if not none:
                pairs.append((index, order[other]) if of_image else (order[other], index))
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


def judged_rows(pairs: Batch, true: Sequence[int], wrong: Sequence[Wrong]) -> Batch:
    """Returns the rows at `true` of pairs, then those of wrong pairs, with all images of the batch."""
    starts, markers, lengths = _starts(pairs), _markers(pairs), pairs.lengths.tolist()
    columns = torch.stack([pairs.tokens, pairs.slots, pairs.image_of, markers], dim=-1)
    rows = [columns[pair, : lengths[pair]] for pair in true]
    for pair, tail in wrong:
        own = columns[pair]
        image = int(own[starts[pair], 2])
        behind = own.new_tensor([(token, -1, image, marker) for token, marker in tail])
        rows.append(torch.cat([own[: starts[pair]], behind]))
    padded = pad_sequence(rows, batch_first=True, padding_value=-1) if rows else columns[:0]
    places = [*true, *(pair for pair, _ in wrong)]
    return replace(
        pairs,
        ids=tuple(pairs.ids[place] for place in places),
        tokens=padded[..., 0].clamp(min=0),
        slots=padded[..., 1],
        labels=torch.full_like(padded[..., 0], IGNORE),
        lengths=torch.tensor([len(row) for row in rows], dtype=torch.long, device=padded.device),
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
