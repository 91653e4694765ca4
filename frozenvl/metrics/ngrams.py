"""N-grams of many sentences at once: told apart by integers, counted in numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

ORDERS = 4
"""Captioning metrics use n-grams of one to four words."""

_SHIFT = 32  # two numbers below 2³² make one 64-bit key


@dataclass(frozen=True)
class Counts:
    """Which n-grams of one order stand in which sentence: sorted by (sentence, n-gram), each pair once."""

    sentence: np.ndarray
    """(entries,) position of the sentence."""
    ngram: np.ndarray
    """(entries,) number of the n-gram; one from outside the index is numbered from the index's size on."""
    count: np.ndarray
    """(entries,) how often it stands there."""

    def first(self, sentences: int) -> Counts:
        """Those of the first sentences only."""
        stop = np.searchsorted(self.sentence, sentences)
        return Counts(self.sentence[:stop], self.ngram[:stop], self.count[:stop])


@dataclass(frozen=True)
class NGramIndex:
    """The n-grams of a set of sentences, numbered."""

    vocabulary: dict[str, int]
    """Word → number."""
    keys: list[np.ndarray]
    """For n = 2, 3, 4, sorted: (number of the first n - 1 words) · 2³² + (number of the last word).

    The number of an n-gram is its position here.
    """

    @classmethod
    def of(cls, *sets: Sequence[Sequence[str]]) -> tuple[NGramIndex, list[list[Counts]]]:
        """Number all n-grams of these sets of sentences (lists of words), and count them as `count` does."""
        vocabulary: dict[str, int] = {}
        keys: list[np.ndarray] = []

        def number(n: int, key: np.ndarray) -> np.ndarray:
            distinct, numbers = np.unique(key, return_inverse=True)
            keys.append(distinct)
            return numbers

        counted = _count(sets, vocabulary, number)
        return cls(vocabulary, keys), counted

    def count(self, *sets: Sequence[Sequence[str]]) -> list[list[Counts]]:
        """For each set of sentences, for n = 1..4: how often each n-gram stands in each sentence.

        N-grams from outside the index count too; their numbers hold for all sets of this one call.
        """

        def number(n: int, key: np.ndarray) -> np.ndarray:
            known = self.keys[n - 2]
            numbers = find(known, key)
            new = numbers < 0
            numbers[new] = len(known) + np.unique(key[new], return_inverse=True)[1]
            return numbers

        return _count(sets, dict(self.vocabulary), number)


def find(where: np.ndarray, what: np.ndarray) -> np.ndarray:
    """Position of each of `what` in the sorted, distinct `where`; -1 if it is not there."""
    if not len(where):
        return np.full(len(what), -1)
    position = np.searchsorted(where, what).clip(max=len(where) - 1)
    return np.where(where[position] == what, position, -1)


def _count(
    sets: Sequence[Sequence[Sequence[str]]],
    vocabulary: dict[str, int],
    number: Callable[[int, np.ndarray], np.ndarray],
) -> list[list[Counts]]:
    counted: list[list[Counts]] = [[] for _ in sets]
    bounds = np.cumsum([0, *map(len, sets)])
    for sentence, ngram in _ngrams(*_encode([*chain(*sets)], vocabulary), number):
        pairs, count = np.unique(sentence << _SHIFT | ngram, return_counts=True)
        cuts = np.searchsorted(pairs, bounds << _SHIFT)
        for counts, first, start, stop in zip(counted, bounds, cuts, cuts[1:], strict=False):
            part = pairs[start:stop]
            counts.append(Counts((part >> _SHIFT) - first, part & 0xFFFFFFFF, count[start:stop]))
    return counted


def _encode(sentences: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all words, end to end, and the sentence of each. New words enter the vocabulary."""
    lengths = np.array([len(words) for words in sentences], dtype=np.int64)
    number = vocabulary.setdefault
    words = [number(word, len(vocabulary)) for word in chain.from_iterable(sentences)]
    return np.array(words, dtype=np.int64), np.repeat(np.arange(len(lengths)), lengths)


def _ngrams(
    words: np.ndarray, sentence: np.ndarray, number: Callable[[int, np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For n = 1..4 the sentence and the number of every n-gram; `number(n, keys)` numbers those of n ≥ 2."""
    starts, ngrams = np.arange(len(words)), words
    yield sentence, words
    for n in range(2, ORDERS + 1):
        inside = starts + n <= len(words)
        starts, ngrams = starts[inside], ngrams[inside]
        inside = sentence[starts] == sentence[starts + n - 1]
        starts, ngrams = starts[inside], ngrams[inside]
        ngrams = number(n, ngrams << _SHIFT | words[starts + n - 1])
        yield sentence[starts], ngrams
