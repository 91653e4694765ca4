"""ROUGE-L, compared with a simple computation of the longest common subsequence."""

from __future__ import annotations

import random

import pytest

from frozenvl.metrics.rouge import BETA, rouge_l


def common(one: list[str], other: list[str]) -> int:
    """Returns the length of the longest common subsequence, by dynamic programming."""
    row = [0] * (len(other) + 1)
    for token in one:
        before = row[:]
        for place, each in enumerate(other):
            row[place + 1] = before[place] + 1 if each == token else max(row[place], before[place + 1])
    return row[-1]


@pytest.mark.parametrize("seed", range(20))
def test_rouge_equals_the_textbook_formula(seed):
    draw = random.Random(seed)
    candidate, *references = (draw.choices("abcd", k=draw.randint(1, 90)) for _ in range(4))
    precision = max(common(candidate, each) / len(candidate) for each in references)
    recall = max(common(candidate, each) / len(each) for each in references)
    expected = (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)
    assert rouge_l(candidate, references) == pytest.approx(expected)


def test_precision_and_recall_may_come_from_different_references():
    assert rouge_l(["a", "b"], [["a", "b", "c", "d"], ["a"]]) == 1.0
    assert rouge_l(["a", "b"], [["a", "b", "c", "d"]]) == pytest.approx((1 + BETA**2) * 0.5 / (0.5 + BETA**2))


def test_order_matters_and_no_common_word_scores_0():
    assert rouge_l(["a", "b", "c"], [["c", "b", "a"]]) == pytest.approx(1 / 3)
    assert rouge_l(["a"], [["b"]]) == 0.0


def test_an_empty_caption_matches_only_an_empty_caption():
    assert rouge_l([], [["a"]]) == rouge_l(["a"], [[]]) == 0.0
    assert rouge_l([], [[]]) == 1.0
