"""N-gram counts of many sentences at once, in numpy: each distinct n-gram has a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

ORDERS = 4
"""Largest n-gram that captioning metrics use, in words."""

_SHIFT = 32  # two numbers below 2³² are packed into one 64-bit key
_LOOKED_UP = 1 << 18
"""Number of keys that are looked up at a time: sorted first, they are found 5 times as fast as in random order."""


@dataclass(frozen=True)
class Counts:
    """Sparse n-gram counts of sentences, for one n. Entries are sorted by (sentence, n-gram), each pair once."""

    sentence: np.ndarray
    """Position of the sentence of each entry (entries,)."""
    ngram: np.ndarray
    """Number of the n-gram of each entry (entries,). Unknown n-grams are numbered from the index's size on."""
    count: np.ndarray
    """Number of times that the n-gram occurs in the sentence (entries,)."""


@dataclass(frozen=True)
class Sentences:
    """Sentences as the numbers of their words, one sentence after another: 4 bytes a word."""

    words: np.ndarray
    """Number of each word in a vocabulary (words,), int32."""
    lengths: np.ndarray
    """Number of words of each sentence (sentences,), int32."""

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], vocabulary: dict[str, int]) -> Sentences:
        """Converts lists of words. Adds new words to the vocabulary, numbered in the order of their occurrence."""
        number = vocabulary.setdefault
        words, lengths = list[int](), list[int]()
        for sentence in sentences:
            words += [number(word, len(vocabulary)) for word in sentence]
            lengths.append(len(sentence))
        return cls(np.array(words, dtype=np.int32), np.array(lengths, dtype=np.int32))

    @classmethod
    def joined(cls, parts: Sequence[Sentences]) -> Sentences:
        """Joins sentences of the same vocabulary."""
        if not parts:
            return cls.of((), {})
        return cls(
            *(np.concatenate(arrays) for arrays in zip(*((p.words, p.lengths) for p in parts), strict=True))
        )


@dataclass(frozen=True)
class NGrams:
    """All n-grams of sentences, n = 1..4, by their numbers."""

    numbers: list[np.ndarray]
    """Number of each n-gram (n-grams,) for n = 1..4, int32, in the order of the sentences and of their words."""
    starts: list[np.ndarray]
    """First n-gram of each sentence, and the number of n-grams (sentences + 1,), for n = 1..4."""

    def counts(self, start: int, stop: int) -> list[Counts]:
        """Counts the n-grams of the sentences from `start` to `stop` - 1, which are numbered from 0 in the counts."""
        counted = []
        for numbers, starts in zip(self.numbers, self.starts, strict=True):
            sentence = np.repeat(np.arange(stop - start), np.diff(starts[start : stop + 1]))
            pairs = sentence << _SHIFT | numbers[starts[start] : starts[stop]]
            pairs.sort(kind="stable")  # Timsort: the sentences are in order already
            first = np.flatnonzero(_new(pairs))
            count, pairs = np.diff(first, append=len(pairs)), pairs[first]
            entries = (pairs >> _SHIFT, pairs & 0xFFFFFFFF, count)
            counted.append(Counts(*(numbers.astype(np.int32) for numbers in entries)))  # half the memory
        return counted


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
    def numbered(cls, sentences: Sentences, vocabulary: dict[str, int]) -> tuple[NGramIndex, NGrams]:
        """Numbers all n-grams of sentences. The vocabulary is the one by which their words are numbered."""
        keys: list[np.ndarray] = []

        def number(n: int, key: np.ndarray) -> np.ndarray:
            keys.append(distinct(key))
            return _positions(keys[-1], key)

        return cls(vocabulary, keys), _ngrams(sentences, number)

    @classmethod
    def of(cls, *sets: Sequence[Sequence[str]]) -> tuple[NGramIndex, list[list[Counts]]]:
        """Numbers all n-grams of sets of sentences (lists of words), and counts them as `count` does."""
        vocabulary: dict[str, int] = {}
        index, ngrams = cls.numbered(Sentences.of(chain.from_iterable(sets), vocabulary), vocabulary)
        return index, _counts_of_sets(ngrams, sets)

    def number(self, sentences: Sentences) -> NGrams:
        """Numbers the n-grams of sentences whose words are numbered by this vocabulary, or by one that extends it.

        Numbers of unknown n-grams are valid for these sentences only.
        """

        def number(n: int, key: np.ndarray) -> np.ndarray:
            indexed = self.keys[n - 2]
            numbers = _positions(indexed, key)
            new = numbers < 0
            unknown = key[new]
            numbers[new] = len(indexed) + _positions(distinct(unknown), unknown)
            return numbers

        return _ngrams(sentences, number)

    def count(self, *sets: Sequence[Sequence[str]]) -> list[list[Counts]]:
        """Counts the n-grams of each sentence. Returns, for each set of sentences, the counts for n = 1..4.

        Unknown n-grams are counted, too. Their numbers are valid for all sets of this call only.
        """
        sentences = Sentences.of(chain.from_iterable(sets), dict(self.vocabulary))
        return _counts_of_sets(self.number(sentences), sets)


def distinct(numbers: np.ndarray) -> np.ndarray:
    """Returns the distinct numbers, sorted. `np.unique` of numpy 2.3 and later hashes them, which is slower."""
    ordered = np.sort(numbers)
    return ordered[_new(ordered)]


def _new(ordered: np.ndarray) -> np.ndarray:
    """Marks the first of each run of equal numbers."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def find(where: np.ndarray, what: np.ndarray) -> np.ndarray:
    """Returns the position of each of `what` in `where`, which is sorted and distinct; -1 if it is absent."""
    if not len(where):
        return np.full(len(what), -1)
    position = np.searchsorted(where, what).clip(max=len(where) - 1)
    return np.where(where[position] == what, position, -1)


def _positions(where: np.ndarray, what: np.ndarray) -> np.ndarray:
    """Returns what `find` does, as int32, for many numbers in any order."""
    positions = np.empty(len(what), np.int32)
    for start in range(0, len(what), _LOOKED_UP):
        part = what[start : start + _LOOKED_UP]
        order = np.argsort(part)
        positions[start + order] = find(where, part[order])
    return positions


def _counts_of_sets(ngrams: NGrams, sets: Sequence[Sequence[object]]) -> list[list[Counts]]:
    bounds = np.cumsum([0, *map(len, sets)]).tolist()
    return [ngrams.counts(start, stop) for start, stop in pairwise(bounds)]


def _ngrams(sentences: Sentences, number: Callable[[int, np.ndarray], np.ndarray]) -> NGrams:
    """Numbers all n-grams. `number(n, keys)` numbers those for n ≥ 2."""
    last = numbers = sentences.words
    found, starts = [numbers], [_starts(sentences.lengths)]
    for n in range(2, ORDERS + 1):
        bounds, filled = starts[-1], np.diff(starts[-1]) > 0
        # An n-gram is an (n-1)-gram that does not end its sentence, and the word after it.
        numbers = np.delete(numbers, bounds[1:][filled] - 1)
        last = np.delete(last, bounds[:-1][filled])
        numbers = number(n, numbers.astype(np.int64) << _SHIFT | last)
        found.append(numbers)
        starts.append(_starts(np.maximum(sentences.lengths - (n - 1), 0)))
    return NGrams(found, starts)


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
