"""ROUGE-L (Lin 2004) as pycocoevalcap computes it: from the best recall and the best precision over references."""

from __future__ import annotations

from collections.abc import Sequence

BETA = 1.2
"""Weight of recall relative to precision (β of the F-measure)."""


def rouge_l(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Computes ROUGE-L of one candidate from tokens, from 0 to 1. The score of a set is the mean over images.

    As in pycocoevalcap, a caption without tokens counts as one empty token, which only matches another empty caption.
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
    """Returns the length of the longest common subsequence, by Hyyrö's bit-parallel algorithm (2004).

    Each row of the dynamic programming table is one integer.

    Args:
        masks: token → positions in the first sequence, as bits.
        length: length of the first sequence.
        tokens: the second sequence.
    """
    everywhere = (1 << length) - 1
    row = everywhere
    for token in tokens:
        matches = row & masks.get(token, 0)
        row = (row + matches | row - matches) & everywhere
    return length - row.bit_count()
