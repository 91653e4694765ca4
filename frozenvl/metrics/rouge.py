"""ROUGE-L (Lin 2004) as pycocoevalcap has it: the best recall and the best precision of any reference."""

from __future__ import annotations

from collections.abc import Sequence

BETA = 1.2
"""How much more recall counts than precision."""


def rouge_l(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """ROUGE-L of one candidate, in 0..1, from tokens; over a set, the mean of its images.

    A caption without tokens counts as one empty token, as in pycocoevalcap: it matches only its like.
    """
    candidate = candidate or [""]
    masks: dict[str, int] = {}
    for place, token in enumerate(candidate):
        masks[token] = masks.get(token, 0) | 1 << place
    recall = precision = 0.0
    for tokens in references:
        tokens = tokens or [""]
        common = _common_subsequence(masks, len(candidate), tokens)
        precision = max(precision, common / len(candidate))
        recall = max(recall, common / len(tokens))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common_subsequence(masks: dict[str, int], length: int, tokens: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the usual table at a time as bits of an integer.

    `masks` gives for each token the places where the first sequence, of `length`, has it (Hyyrö 2004).
    """
    everywhere = (1 << length) - 1
    row = everywhere
    for token in tokens:
        matches = row & masks.get(token, 0)
        row = (row + matches | row - matches) & everywhere
    return length - row.bit_count()
