"""BLEU from n-gram counts that are summed over images."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from coco_caption import random_set

from frozenvl.metrics.bleu import COUNTS, bleu, bleu_counts
from frozenvl.metrics.ngrams import NGramIndex


def counts_of(candidates: list[str], references: list[list[str]]) -> np.ndarray:
    words = [text.split() for text in candidates]
    flat = [text.split() for several in references for text in several]
    _, (own, theirs) = NGramIndex.of(words, flat)
    lengths = (np.array([len(each) for each in texts]) for texts in (words, flat))
    return bleu_counts(*lengths, [len(several) for several in references], own, theirs)


def test_counts_equal_those_worked_out_by_hand():
    (row,) = counts_of(
        ["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]]
    )
    # Papineni's example: no reference has "the" more than twice; the closest length is 7.
    assert row.tolist() == [7, 7, *(2, 0, 0, 0), *(7, 6, 5, 4)] and len(row) == COUNTS
    (row,) = counts_of(["a b c"], [["a b", "a b c d"]])
    assert row.tolist() == [
        3,
        2,
        *(3, 2, 1, 0),
        *(3, 2, 1, 0),
    ]  # of two equally close lengths, the shorter counts


def test_a_short_candidate_is_penalised_and_a_long_one_is_not():
    short, long = bleu(counts_of(["a b c", "a b c d e f"], [["a b c d"], ["a b c d"]]))
    assert short[0] == pytest.approx(math.exp(1 - 4 / 3), rel=1e-6)
    assert long[0] == pytest.approx(4 / 6, rel=1e-6) and long[3] == pytest.approx(
        (4 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** (1 / 4), rel=1e-6
    )


def test_bleu_of_a_set_is_the_bleu_of_summed_counts():
    candidates, references = random_set(random.Random(0), 20, shortest=1)
    counts = counts_of(list(candidates.values()), [references[image] for image in candidates])
    official = pytest.importorskip("pycocoevalcap.bleu.bleu").Bleu(4)
    total, each = official.compute_score(references, {i: [c] for i, c in candidates.items()}, verbose=0)
    assert bleu(counts.sum(0)) == pytest.approx(total, abs=1e-9)
    assert bleu(counts).T.tolist() == [pytest.approx(row, abs=1e-9) for row in each]
    assert bleu(counts.sum(0)) != pytest.approx(bleu(counts).mean(0), abs=1e-3)


def test_an_empty_candidate_scores_0():
    assert bleu(counts_of([""], [["a b"]])) == pytest.approx(np.zeros((1, 4)), abs=1e-9)
