"""CIDEr (Vedantam et al. 2015), the variant that pycocoevalcap's `Cider` computes and papers report.

It is close to the paper's CIDEr-D: tf-idf vectors of 1- to 4-grams, clipped to the reference's weight, a
Gaussian penalty on the difference in length (σ = 6), a factor of 10. Length is counted in bigrams, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frozenvl.metrics.ngrams import ORDERS, Counts, NGramIndex, find
from frozenvl.util.errors import UserError

SIGMA = 6.0


@dataclass(frozen=True)
class DocumentFrequency:
    """In how many images' references each n-gram stands: computed once for a reference set, then kept."""

    index: NGramIndex
    images: int
    """Images in the reference set."""
    frequency: list[np.ndarray]
    """For n = 1..4, by number of the n-gram in `index`: images whose references have it."""

    @classmethod
    def of(cls, references: Sequence[Sequence[Sequence[str]]]) -> DocumentFrequency:
        """Count over a reference set: for each image, the words of each of its captions."""
        index, (counts,) = NGramIndex.of([words for several in references for words in several])
        return cls.counted(index, counts, [len(several) for several in references])

    @classmethod
    def counted(
        cls, index: NGramIndex, counts: Sequence[Counts], references_of: Sequence[int]
    ) -> DocumentFrequency:
        """The like from n-grams that are already counted, of all references end to end."""
        if not len(references_of):
            raise UserError("CIDEr's idf needs reference captions, and there are none; give it some")
        image_of = np.repeat(np.arange(len(references_of)), references_of)
        frequency = []
        for n, entries in enumerate(counts):
            pairs = np.unique(image_of[entries.sentence] << 32 | entries.ngram)
            known = len(index.keys[n - 1]) if n else len(index.vocabulary)
            frequency.append(np.bincount(pairs & 0xFFFFFFFF, minlength=known))
        return cls(index, len(references_of), frequency)

    def weights(self, counts: Sequence[Counts]) -> list[np.ndarray]:
        """For n = 1..4 the tf-idf of each entry of `counts`. An n-gram from outside counts as seen once."""
        weights = []
        for entries, frequency in zip(counts, self.frequency, strict=True):
            known = entries.ngram < len(frequency)
            seen = np.ones(len(known))
            seen[known] = np.maximum(1, frequency[entries.ngram[known]])
            weights.append(entries.count * (np.log(self.images) - np.log(seen)))
        return weights


def cider(
    candidate_ngrams: Sequence[Counts],
    reference_ngrams: Sequence[Counts],
    references_of: Sequence[int],
    frequency: DocumentFrequency,
) -> np.ndarray:
    """(images,) CIDEr of each image, 0..10; over a set, their mean.

    `references_of` gives the number of references of each image. The n-grams are those of all candidates, and
    of all references end to end, counted by one call of `frequency.index.count`.
    """
    images, sentences = len(references_of), int(sum(references_of))
    image_of = np.repeat(np.arange(images), references_of)
    candidate_weights = frequency.weights(candidate_ngrams)
    reference_weights = frequency.weights(reference_ngrams)
    similarity = np.zeros(sentences)
    for n in range(ORDERS):
        mine, theirs = candidate_ngrams[n], reference_ngrams[n]
        weight, other = candidate_weights[n], reference_weights[n]
        at = find(mine.sentence << 32 | mine.ngram, image_of[theirs.sentence] << 32 | theirs.ngram)
        shared = at >= 0
        product = np.minimum(weight[at[shared]], other[shared]) * other[shared]
        dot = np.bincount(theirs.sentence[shared], product, minlength=sentences)
        norm = np.sqrt(np.bincount(mine.sentence, weight**2, minlength=images))[image_of]
        norm *= np.sqrt(np.bincount(theirs.sentence, other**2, minlength=sentences))
        similarity += dot / np.where(norm == 0, 1, norm)
    bigrams = np.bincount(candidate_ngrams[1].sentence, candidate_ngrams[1].count, minlength=images)
    difference = bigrams[image_of] - np.bincount(
        reference_ngrams[1].sentence, reference_ngrams[1].count, minlength=sentences
    )
    similarity *= np.exp(-(difference**2) / (2 * SIGMA**2))
    return 10 * np.bincount(image_of, similarity, minlength=images) / ORDERS / np.asarray(references_of)
