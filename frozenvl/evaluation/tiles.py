"""Tiles of the galleries of evaluations: answers, images found by text, texts found by image, first labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import PIL.Image

from frozenvl.data.order import Permutation
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.ranking import first_ranks
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.gallery import COLUMNS, Tile

MAX_TILES = 12
"""Largest number of answers, or of images with labels, in a gallery."""
TEXTS = 3
"""Number of captions drawn with their images, and of captions found for an image."""
LABELS = 5
"""Number of labels drawn for an image."""


def marked(right: bool | float | None, text: str) -> str:
    """Returns a text behind a mark: ✓ if it is right (0.5 or more), ✗ if not, none if that is undefined."""
    return text if right is None else f"{'✓' if right >= 0.5 else '✗'} {text}"


def number(value: float) -> str:
    """Returns a score with two digits after the point, without the sign of -0.00."""
    return f"{round(float(value), 2) + 0.0:.2f}"


def picture_of(image: Image) -> PIL.Image.Image | None:
    """Returns the pixels of an image; None if it cannot be read, which views that do not show it allow."""
    try:
        return image.read()
    except UnreadableImage:
        return None


def answer_tiles(answers: Iterable[Answer], right: Callable[[Answer], float | None]) -> Iterator[Tile]:
    """Yields the image of each query with the text of its answer, in a fixed random order.

    Args:
        answers: answers, sorted by query id.
        right: how right an answer is, from 0 to 1; None if undefined.
    """
    readable = [answer for answer in answers if not answer.unreadable]
    for place in Permutation(len(readable), "gallery"):
        query = readable[place].query
        if query.image is not None and (picture := picture_of(query.image)):
            text = " ".join(readable[place].text.split())  # no font can draw line ends
            yield Tile(
                picture, [marked(right(readable[place]), f"→ {text}")], query.question, query.references
            )


def retrieval_tiles(
    images: Sequence[Image],
    texts: Sequence[str],
    owners: Sequence[int],
    vectors: tuple[np.ndarray, np.ndarray],
) -> Iterator[Tile]:
    """Yields the images found for some texts, a row of tiles each, then the texts found for some images.

    A line has the rank, whether the image or text is the right one, and the cosine similarity. Texts and images are
    chosen at random, the same in every evaluation.

    Args:
        images: the images that are searched.
        texts: the texts that are searched.
        owners: index of the image of each text.
        vectors: vectors (images, dim) and (texts, dim) of length 1; nan for an image that could not be read.
    """
    rows = (
        _images_found(images, texts[place], owners[place], vectors[0] @ vectors[1][place])
        for place in Permutation(len(texts), "gallery texts")
    )
    for row in islice(filter(None, rows), TEXTS):
        yield from row
    tiles = (
        _texts_found(images[place], place, texts, owners, vectors[1] @ vectors[0][place])
        for place in Permutation(len(images), "gallery images")
    )
    yield from islice(filter(None, tiles), 2 * COLUMNS)


def _nearest(similarity: np.ndarray, count: int) -> list[int]:
    """Returns the indices of the highest similarities, the highest first; missing ones (nan) are left out."""
    order = np.argsort(-similarity, kind="stable")[:count]  # nan is sorted last
    return [int(place) for place in order if np.isfinite(similarity[place])]


def _images_found(images: Sequence[Image], text: str, own: int, similarity: np.ndarray) -> list[Tile]:
    """Returns a tile for each of the first images; [] if one of them cannot be read."""
    nearest = _nearest(similarity, COLUMNS)
    found = [(place, picture_of(images[place])) for place in nearest]
    (own_rank,) = first_ranks(similarity[None], [[own]])
    beyond = [] if own in nearest else [f"its own image has rank {own_rank:,}"]
    tiles = [
        Tile(picture, [_line(rank, place == own, similarity[place])], text, beyond)
        for rank, (place, picture) in enumerate(found, start=1)
        if picture
    ]
    return tiles if len(tiles) == len(found) else []


def _texts_found(
    image: Image, own: int, texts: Sequence[str], owners: Sequence[int], similarity: np.ndarray
) -> Tile | None:
    """Returns the image with its first texts, and the rank of its best own text if that is beyond them."""
    nearest, mine = _nearest(similarity, TEXTS), [place for place, owner in enumerate(owners) if owner == own]
    picture = picture_of(image) if nearest else None
    if picture is None:
        return None
    (own_rank,) = first_ranks(similarity[None], [mine])
    best = max(mine, key=lambda place: similarity[place], default=None)
    beyond = [] if best is None or {*mine} & {*nearest} else [f"rank {own_rank:,}: {texts[best]}"]
    lines = [
        _line(rank, place in mine, similarity[place], texts[place]) for rank, place in enumerate(nearest, 1)
    ]
    return Tile(picture, lines, references=beyond)


def _line(rank: int, right: bool, similarity: float, text: str = "") -> str:
    return f"{rank}. {marked(right, number(similarity))} {text}".strip()


def label_tiles(
    images: Sequence[Image], truth: Sequence[Collection[str]], labels: Sequence[str], scores: np.ndarray
) -> Iterator[Tile]:
    """Yields images with their first labels, whether each is right, and its score, in a fixed random order.

    Args:
        images: the images.
        truth: right labels of each image.
        labels: the labels.
        scores: score (images, labels) of each label; nan if missing.
    """
    for place in Permutation(len(images), "gallery"):
        row = scores[place]
        if (nearest := _nearest(row, LABELS)) and (picture := picture_of(images[place])):
            lines = [f"{marked(labels[n] in truth[place], labels[n])}  {number(row[n])}" for n in nearest]
            yield Tile(picture, lines, references=[", ".join(truth[place])] if truth[place] else [])
