"""BLEU-1..4 (Papineni et al. 2002) as pycocoevalcap computes it, from counts that add up over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frozenvl.metrics.ngrams import ORDERS, Counts, find

COUNTS = 2 + 2 * ORDERS
"""Numbers per image: candidate and reference length, then for n = 1..4 matched, and for n = 1..4 possible."""

# pycocoevalcap's smoothing: a precision of 0 / 0 is 0, and one of 0 / n is not quite 0.
_TINY = 1e-15
_SMALL = 1e-9


def bleu_counts(
    candidates: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    candidate_ngrams: Sequence[Counts],
    reference_ngrams: Sequence[Counts],
) -> np.ndarray:
    """(images, `COUNTS`) integers as float64, of one candidate and its references per image, as words.

    The n-grams are those of all candidates, and of all references end to end, counted by one
    call of `ngrams.NGramIndex.count`. The reference length is the one closest to the candidate's,
    of two equally close the shorter.
    """
    length = np.array([len(words) for words in candidates])
    closest = [
        min((abs(len(words) - own), len(words)) for words in several)[1]
        for own, several in zip(length.tolist(), references, strict=True)
    ]
    counts = np.zeros((len(candidates), COUNTS))
    counts[:, 0], counts[:, 1] = length, closest
    image_of = np.repeat(np.arange(len(references)), [len(several) for several in references])
    for n in range(ORDERS):
        counts[:, 2 + n] = _matched(candidate_ngrams[n], reference_ngrams[n], image_of, len(candidates))
        counts[:, 2 + ORDERS + n] = np.maximum(length - n, 0)
    return counts


def _matched(candidate: Counts, reference: Counts, image_of: np.ndarray, images: int) -> np.ndarray:
    """(images,) n-grams of the candidate, each at most as often as one of the references has it."""
    pairs = image_of[reference.sentence] << 32 | reference.ngram
    order = np.argsort(pairs, kind="stable")
    distinct, first = np.unique(pairs[order], return_index=True)
    if not len(distinct):
        return np.zeros(images)
    most = np.maximum.reduceat(reference.count[order], first)
    at = find(distinct, candidate.sentence << 32 | candidate.ngram)
    clipped = np.where(at >= 0, np.minimum(candidate.count, most[at]), 0)
    return np.bincount(candidate.sentence, clipped, minlength=images)


def bleu(counts: np.ndarray) -> np.ndarray:
    """(..., 4) BLEU-1..4, in 0..1, from (..., `COUNTS`) counts of an image or sums over a set of images."""
    length, closest = counts[..., 0:1], counts[..., 1:2]
    matched, possible = counts[..., 2 : 2 + ORDERS], counts[..., 2 + ORDERS :]
    precision = np.cumprod((matched + _TINY) / (possible + _SMALL), axis=-1)
    scores = precision ** (1.0 / np.arange(1, ORDERS + 1))
    ratio = (length + _TINY) / (closest + _SMALL)
    # An empty candidate's 1 / ratio overflows the exponential on its way to 0, as it should.
    brevity = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    return scores * brevity
