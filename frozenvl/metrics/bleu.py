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
    candidate_lengths: np.ndarray,
    reference_lengths: np.ndarray,
    references_of: Sequence[int],
    candidate_ngrams: Sequence[Counts],
    reference_ngrams: Sequence[Counts],
) -> np.ndarray:
    """Returns the counts (images, `COUNTS`) that BLEU is computed from: integers as float64.

    The reference length is the one closest to the candidate's, the shorter of two equally close ones.

    Args:
        candidate_lengths: number of words of each image's candidate (images,).
        reference_lengths: number of words of each reference (references,), flattened.
        references_of: number of references of each image, at least 1.
        candidate_ngrams: counts of all candidates for n = 1..4.
        reference_ngrams: counts of all references, flattened, by the same numbers of n-grams.
    """
    length = np.asarray(candidate_lengths, np.int64)
    image_of = np.repeat(np.arange(len(length)), references_of)
    closeness = np.abs(reference_lengths - length[image_of]) << 32 | reference_lengths
    counts = np.zeros((len(length), COUNTS))
    counts[:, 0] = length
    counts[:, 1] = np.minimum.reduceat(closeness, np.cumsum([0, *references_of[:-1]])) & 0xFFFFFFFF
    for n in range(ORDERS):
        counts[:, 2 + n] = _matched(candidate_ngrams[n], reference_ngrams[n], image_of, len(length))
        counts[:, 2 + ORDERS + n] = np.maximum(length - n, 0)
    return counts


def _matched(candidate: Counts, reference: Counts, image_of: np.ndarray, images: int) -> np.ndarray:
    """Returns matched n-grams per image (images,): candidate counts, clipped to the largest count in a reference."""
    keys = image_of[reference.sentence] << 32 | reference.ngram
    at = find(candidate.sentence.astype(np.int64) << 32 | candidate.ngram, keys)
    most = np.zeros_like(candidate.count)
    np.maximum.at(most, at[at >= 0], reference.count[at >= 0])
    return np.bincount(candidate.sentence, np.minimum(candidate.count, most), minlength=images)


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
