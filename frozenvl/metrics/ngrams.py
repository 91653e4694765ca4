"""N-gram counts of many sentences at once, in numpy: each distinct n-gram has a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

ORDERS = 4
"""Largest n-gram that captioning metrics use, in words."""

_SHIFT = 32  # two numbers below 2³² are packed into one 64-bit key


@dataclass(frozen=True)
class Counts:
    """Sparse n-gram counts of sentences, for one n. Entries are sorted by (sentence, n-gram), each pair once."""

    sentence: np.ndarray
    """Position of the sentence of each entry (entries,)."""
    ngram: np.ndarray
    """Number of the n-gram of each entry (entries,). Unknown n-grams are numbered from the index's size on."""
    count: np.ndarray
    """Number of times that the n-gram occurs in the sentence (entries,)."""

    def first(self, sentences: int) -> Counts:
        """Returns the counts of the first `sentences` sentences."""
        stop = np.searchsorted(self.sentence, sentences)
        return Counts(self.sentence[:stop], self.ngram[:stop], self.count[:stop])


@dataclass(frozen=True)
class NGramIndex:
    """Numbering of the n-grams of a set of sentences."""

    vocabulary: dict[str, int]
    """Word → number."""
    keys: list[np.ndarray]
    """Sorted keys of n-grams for n = 2, 3, 4: (number of the first n - 1 words) · 2³² + (number of the last word).

    The number of an n-gram is the position of its key.
    """

    @classmethod
    def of(cls, *sets: Sequence[Sequence[str]]) -> tuple[NGramIndex, list[list[Counts]]]:
        """Numbers all n-grams of sets of sentences (lists of words), and counts them as `count` does."""
        vocabulary: dict[str, int] = {}
        keys: list[np.ndarray] = []

        def number(n: int, key: np.ndarray) -> np.ndarray:
            distinct, numbers = np.unique(key, return_inverse=True)
            keys.append(distinct)
            return numbers

        counted = _count(sets, vocabulary, number)
        return cls(vocabulary, keys), counted

    def count(self, *sets: Sequence[Sequence[str]]) -> list[list[Counts]]:
        """Counts the n-grams of each sentence. Returns, for each set of sentences, the counts for n = 1..4.

        Unknown n-grams are counted, too. Their numbers are valid for all sets of this call only.
        """

        def number(n: int, key: np.ndarray) -> np.ndarray:
            indexed = self.keys[n - 2]
            numbers = find(indexed, key)
            new = numbers < 0
            numbers[new] = len(indexed) + np.unique(key[new], return_inverse=True)[1]
            return numbers

        return _count(sets, dict(self.vocabulary), number)


def distinct(numbers: np.ndarray) -> np.ndarray:
    """Returns the distinct numbers, sorted. `np.unique` of numpy 2.3 and later hashes them, which is slower."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]


def find(where: np.ndarray, what: np.ndarray) -> np.ndarray:
    """Returns the position of each of `what` in `where`, which is sorted and distinct; -1 if it is absent."""
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
            entries = ((part >> _SHIFT) - first, part & 0xFFFFFFFF, count[start:stop])
            counts.append(Counts(*(numbers.astype(np.int32) for numbers in entries)))  # half the memory
    return counted


def _encode(sentences: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers of all words, and the sentence of each. Adds new words to the vocabulary."""
    lengths = np.array([len(words) for words in sentences], dtype=np.int64)
    number = vocabulary.setdefault
    words = [number(word, len(vocabulary)) for word in chain.from_iterable(sentences)]
    return np.array(words, dtype=np.int64), np.repeat(np.arange(len(lengths)), lengths)


def _ngrams(
    words: np.ndarray, sentence: np.ndarray, number: Callable[[int, np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the sentence and the number of every n-gram, for n = 1..4. `number(n, keys)` numbers them for n ≥ 2."""
    starts, ngrams = np.arange(len(words)), words
    yield sentence, words
    for n in range(2, ORDERS + 1):
        inside = starts + n <= len(words)
        starts, ngrams = starts[inside], ngrams[inside]
        inside = sentence[starts] == sentence[starts + n - 1]
        starts, ngrams = starts[inside], ngrams[inside]
        ngrams = number(n, ngrams << _SHIFT | words[starts + n - 1])
        yield sentence[starts], ngrams
