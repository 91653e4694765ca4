"""N-gram counts of many sentences, compared with counters of tuples."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from frozenvl.metrics.ngrams import ORDERS, NGramIndex, Sentences, find


def sentences(seed: int, letters: str = "abc") -> list[list[str]]:
    draw = random.Random(seed)
    return [draw.choices(letters, k=draw.randint(0, 9)) for _ in range(30)]


def counter_of(sentence: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(sentence[start:] for start in range(n)), strict=False))


def names(counted: list, texts: list[list[list[str]]], n: int) -> dict[int, tuple[str, ...]]:
    """Returns number → n-gram. Fails if a number stands for two n-grams or a count is wrong."""
    named: dict[int, tuple[str, ...]] = {}
    for counts, each in zip(counted, texts, strict=True):
        entries = counts[n - 1]
        pairs = list(zip(entries.sentence.tolist(), entries.ngram.tolist(), strict=True))
        assert pairs == sorted(set(pairs))
        for place, sentence in enumerate(each):
            here = entries.sentence == place
            assert sorted(entries.count[here].tolist()) == sorted(counter_of(sentence, n).values())
    # Sentences of a single n-gram tell its number.
    for counts, each in zip(counted, texts, strict=True):
        entries = counts[n - 1]
        for place, sentence in enumerate(each):
            if len(grams := counter_of(sentence, n)) == 1:
                (number,) = entries.ngram[entries.sentence == place].tolist()
                (gram,) = grams
                assert named.setdefault(number, gram) == gram
    return named


@pytest.mark.parametrize("n", range(1, ORDERS + 1))
def test_numbers_and_counts_match_counters_of_tuples(n):
    every = sorted({gram for sentence in sentences(0) for gram in counter_of(sentence, n)})
    texts = [sentences(0), [list(gram) for gram in every]]
    _, counted = NGramIndex.of(*texts)
    named = names(counted, texts, n)
    assert sorted(named.values()) == every and sorted(named) == list(range(len(every)))
    entries = counted[0][n - 1]
    for sentence, number, count in zip(entries.sentence, entries.ngram, entries.count, strict=True):
        assert counter_of(texts[0][sentence], n)[named[number]] == count


def test_unknown_ngrams_are_numbered_after_the_index():
    index, (before,) = NGramIndex.of(sentences(0))
    one, other = index.count(sentences(0), [["a", "new", "word"], ["new", "word"], ["b"]])
    for n, (again, first) in enumerate(zip(one, before, strict=True)):
        assert np.array_equal(again.ngram, first.ngram) and np.array_equal(again.count, first.count)
        known = len(index.keys[n - 1]) if n else len(index.vocabulary)
        assert (again.ngram < known).all()
    assert (other[0].ngram >= len(index.vocabulary)).tolist() == [False, True, True, True, True, False]
    pairs = other[1]
    assert (pairs.ngram >= len(index.keys[0])).all()
    (shared,) = set(pairs.ngram[pairs.sentence == 0]) & set(pairs.ngram[pairs.sentence == 1])
    assert shared in pairs.ngram and "new" not in index.vocabulary


def test_counts_of_some_sentences_are_a_part_of_all_counts():
    vocabulary: dict[str, int] = {}
    texts = sentences(1)
    _, ngrams = NGramIndex.numbered(Sentences.of(texts, vocabulary), vocabulary)
    for whole, part in zip(ngrams.counts(0, len(texts)), ngrams.counts(7, 19), strict=True):
        inside = (whole.sentence >= 7) & (whole.sentence < 19)
        assert np.array_equal(whole.sentence[inside] - 7, part.sentence)
        assert np.array_equal(whole.ngram[inside], part.ngram)
        assert np.array_equal(whole.count[inside], part.count)
    assert [len(counts.ngram) for counts in ngrams.counts(3, 3)] == [0] * ORDERS


def test_words_are_numbered_in_the_order_of_their_occurrence():
    vocabulary = {"b": 0}
    first = Sentences.of([["a", "b"], []], vocabulary)
    joined = Sentences.joined([first, Sentences.of([["c", "a", "c"]], vocabulary)])
    assert vocabulary == {"b": 0, "a": 1, "c": 2}
    assert (joined.words.tolist(), joined.lengths.tolist()) == ([1, 0, 2, 1, 2], [2, 0, 3])
    assert Sentences.joined([]).words.tolist() == []


def test_find_returns_positions_or_minus_one():
    where = np.array([2, 5, 9])
    assert find(where, np.array([9, 1, 2, 10, 5, 4])).tolist() == [2, -1, 0, -1, 1, -1]
    assert find(where[:0], np.array([1, 2])).tolist() == [-1, -1]
