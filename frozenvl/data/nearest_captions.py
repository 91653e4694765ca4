"""`NearestCaptions`: each caption of a data set with the most similar caption of another image as its foil."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError

DIGITS = 9
"""Digits to which similarities are compared, so that ties do not depend on a machine's rounding."""


class NearestCaptions(Source):
    """Pairs for the benchmark `Matching`: a caption of an image, and as foil the nearest caption of another image.

    Nearest is the highest cosine of TF-IDF vectors of words, which need no model; of equal ones, the first. The foil is
    of another photograph and differs in a word or in the order of words. Nobody has checked that it is wrong: another
    image's caption may be true of this image, too.

    Args:
        captions: images with captions. Each caption makes one example.

    Raises:
        UserError: if captions have no caption of another photograph.
    """

    def __init__(self, captions: Source) -> None:
        self.captions, self.max_frames = captions, captions.max_frames

    def __len__(self) -> int:
        return len(self._foils)

    def __getitem__(self, index: int) -> Example:
        (place, number), foil = self._captions[index], self._foils[index]
        example = self.captions[place]
        other, of_other = self._captions[foil]
        choices = example.references[number], self.captions[other].references[of_other]
        return Example(
            id=f"{example.id}#{number}",
            image=example.image,
            image_id=example.image_id,
            references=choices[:1],
            kind=example.kind,
            choices=choices,
        )

    def image_ids(self) -> list[str] | None:
        ids = self.captions.image_ids()
        return None if ids is None else [ids[place] for place, _ in self._captions]

    @cached_property
    def _captions(self) -> list[tuple[int, int]]:
        """Index of the example and of the caption among its references, for each caption that is not empty."""
        return [
            (place, number)
            for place in range(len(self.captions))
            for number, text in enumerate(self.captions[place].references)
            if words(text)
        ]

    @cached_property
    def _foils(self) -> list[int]:
        """Index of each caption's foil in `_captions`."""
        texts, images = [], []
        for place, number in self._captions:
            example = self.captions[place]
            texts.append(words(example.references[number]))
            images.append(example.image_id)
        foils = nearest(texts, images)
        if None in foils:
            place, number = self._captions[foils.index(None)]
            raise UserError(
                f"example {self.captions[place].id}: no other image has another caption than "
                f"{self.captions[place].references[number][:60]!r}; NearestCaptions needs several images with captions"
            )
        return [foil for foil in foils if foil is not None]


def words(text: str) -> tuple[str, ...]:
    """Returns the words of a text, in lower case, without punctuation."""
    return tuple(re.findall(r"\w+", text.lower()))


def nearest(texts: Sequence[tuple[str, ...]], groups: Sequence[str]) -> list[int | None]:
    """Returns for each text the most similar one of another group that is not the same text; None if there is none.

    Similarity is the cosine of TF-IDF vectors: counts of words, times ln((1 + n) / (1 + number of texts with the word))
    + 1 (scikit-learn's formula).

    Args:
        texts: words of each text.
        groups: group of each text, such as its image.
    """
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for word in dict.fromkeys(text):
            rows_of.setdefault(word, []).append(row)
    idf = {word: np.log((1 + len(texts)) / (1 + len(rows))) + 1 for word, rows in rows_of.items()}
    counts = [Counter(text) for text in texts]
    lengths = [sum((count * idf[word]) ** 2 for word, count in row.items()) ** 0.5 for row in counts]
    entries = {
        word: (np.array(rows), np.array([counts[row][word] * idf[word] / lengths[row] for row in rows]))
        for word, rows in rows_of.items()
    }
    same = _Members(groups), _Members(texts)
    found: list[int | None] = []
    for row, (count, length) in enumerate(zip(counts, lengths, strict=True)):
        similarity = np.zeros(len(texts))
        for word in sorted(count):
            rows, values = entries[word]
            similarity[rows] += values * (count[word] * idf[word] / length)
        similarity = similarity.round(DIGITS)
        for members in same:
            similarity[members.with_row(row)] = -1
        best = int(similarity.argmax())
        found.append(best if similarity[best] >= 0 else None)
    return found


class _Members:
    """Rows that share a key.

    Args:
        keys: key of each row.
    """

    def __init__(self, keys: Sequence[object]) -> None:
        self.keys = keys
        self.rows: dict[object, list[int]] = {}
        for row, key in enumerate(keys):
            self.rows.setdefault(key, []).append(row)

    def with_row(self, row: int) -> list[int]:
        """Returns the rows that have the key of a row, itself included."""
        return self.rows[self.keys[row]]
