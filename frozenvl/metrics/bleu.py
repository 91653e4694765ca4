"""BLEU-1..4 (Papineni et al. 2002) as pycocoevalcap computes it, from counts that are summed over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frozenvl.metrics.ngrams import ORDERS, Counts, find

COUNTS = 2 + 2 * ORDERS
"""Number of counts per image: candidate length, reference length, matched and possible n-grams for n = 1..4."""

# Smoothing constants of pycocoevalcap: they avoid divisions by 0 and precisions of exactly 0.
_TINY = 1e-15
_SMALL = 1e-9


def bleu_counts(
    candidates: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    candidate_ngrams: Sequence[Counts],
    reference_ngrams: Sequence[Counts],
) -> np.ndarray:
    """Returns the counts (images, `COUNTS`) that BLEU is computed from: integers as float64.

    The reference length is the one closest to the candidate's, the shorter of two equally close ones.

    Args:
        candidates: words of each image's candidate.
        references: words of each image's references.
        candidate_ngrams: counts of all candidates for n = 1..4.
        reference_ngrams: counts of all references, flattened, from the same call of `ngrams.NGramIndex.count`.
    """
    length = np.array([len(words) for words in candidates])
    closest = [
        min((abs(len(words) - candidate_length), len(words)) for words in image_references)[1]
        for candidate_length, image_references in zip(length.tolist(), references, strict=True)
    ]
    counts = np.zeros((len(candidates), COUNTS))
    counts[:, 0], counts[:, 1] = length, closest
    image_of = np.repeat(np.arange(len(references)), list(map(len, references)))
    for n in range(ORDERS):
        counts[:, 2 + n] = _matched(candidate_ngrams[n], reference_ngrams[n], image_of, len(candidates))
        counts[:, 2 + ORDERS + n] = np.maximum(length - n, 0)
    return counts


def _matched(candidate: Counts, reference: Counts, image_of: np.ndarray, images: int) -> np.ndarray:
    """Returns matched n-grams per image (images,): candidate counts, clipped to the largest count in a reference."""
    pairs = image_of[reference.sentence] << 32 | reference.ngram
    if not len(pairs):
        return np.zeros(images)
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    first = np.flatnonzero(np.diff(pairs, prepend=pairs[0] - 1))
    known = pairs[first]
    most = np.maximum.reduceat(reference.count[order], first)
    at = find(known, candidate.sentence.astype(np.int64) << 32 | candidate.ngram)
    clipped = np.where(at >= 0, np.minimum(candidate.count, most[at]), 0)
    return np.bincount(candidate.sentence, clipped, minlength=images)


def bleu(counts: np.ndarray) -> np.ndarray:
    """Computes BLEU-1..4 (..., 4), from 0 to 1, from the counts (..., `COUNTS`) of an image or of summed images."""
    length, closest = counts[..., 0:1], counts[..., 1:2]
    matched, possible = counts[..., 2 : 2 + ORDERS], counts[..., 2 + ORDERS :]
    precision = np.cumprod((matched + _TINY) / (possible + _SMALL), axis=-1)
    scores = precision ** (1.0 / np.arange(1, ORDERS + 1))
    ratio = (length + _TINY) / (closest + _SMALL)
    # For an empty candidate 1 / ratio is huge, and the exponential underflows to 0, as intended.
    brevity = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    return scores * brevity
