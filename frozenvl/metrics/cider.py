"""CIDEr (Vedantam et al. 2015), in the variant that pycocoevalcap's `Cider` computes and papers report.

It is close to the paper's CIDEr-D: tf-idf vectors of 1- to 4-grams, clipped to the reference's weight, a
Gaussian penalty on the difference in length (σ = 6), a factor of 10. Like pycocoevalcap, it counts length in bigrams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frozenvl.metrics.ngrams import ORDERS, Counts, NGramIndex, NGrams, Sentences, distinct, find
from frozenvl.util.errors import UserError

SIGMA = 6.0
"""Standard deviation of the length penalty, in bigrams."""
_IMAGES = 4096
"""Number of images whose n-grams are sorted at a time: they fit into a processor's cache."""


@dataclass(frozen=True)
class DocumentFrequency:
    """Document frequency of n-grams: the number of images whose references contain each. Computed once per set."""

    index: NGramIndex
    """Index that numbers the n-grams of the reference set."""
    images: int
    """Number of images in the reference set."""
    frequency: list[np.ndarray]
    """Document frequency for n = 1..4, each (n-grams,), in the order of `index`."""

    @classmethod
    def of(cls, references: Sequence[Sequence[Sequence[str]]]) -> DocumentFrequency:
        """Counts the n-grams of a reference set, given as the words of each caption of each image."""
        vocabulary: dict[str, int] = {}
        sentences = Sentences.of((words for captions in references for words in captions), vocabulary)
        index, ngrams = NGramIndex.numbered(sentences, vocabulary)
        return cls.counted(index, ngrams, [len(captions) for captions in references])

    @classmethod
    def counted(
        cls, index: NGramIndex, ngrams: NGrams, references_of: Sequence[int], first: int = 0
    ) -> DocumentFrequency:
        """Counts the images of each n-gram.

        Args:
            index: index of the n-grams.
            ngrams: n-grams of sentences, among them all references, flattened.
            references_of: number of references of each image.
            first: position of the first reference among the sentences.

        Raises:
            UserError: if there are no references.
        """
        if not len(references_of):
            raise UserError("CIDEr's idf needs reference captions, and there are none; give it some")
        bounds = first + np.cumsum([0, *references_of])
        frequency = []
        for n, (numbers, starts) in enumerate(zip(ngrams.numbers, ngrams.starts, strict=True)):
            images = np.zeros(len(index.keys[n - 1]) if n else len(index.vocabulary), np.int32)
            for start in range(0, len(references_of), _IMAGES):
                ngrams_of = starts[bounds[start : start + _IMAGES + 1]]
                image = np.repeat(np.arange(len(ngrams_of) - 1), np.diff(ngrams_of))
                pairs = distinct(image << 32 | numbers[ngrams_of[0] : ngrams_of[-1]])
                np.add.at(images, pairs & 0xFFFFFFFF, np.int32(1))  # another type would be 20 times slower
            frequency.append(images)
        return cls(index, len(references_of), frequency)

    def weights(self, counts: Sequence[Counts]) -> list[np.ndarray]:
        """Returns the tf-idf of each entry of `counts`, for n = 1..4. An unknown n-gram gets document frequency 1."""
        weights = []
        for entries, frequency in zip(counts, self.frequency, strict=True):
            indexed = entries.ngram < len(frequency)
            documents = np.ones(len(indexed))
            documents[indexed] = np.maximum(1, frequency[entries.ngram[indexed]])
            weights.append(entries.count * (np.log(self.images) - np.log(documents)))
        return weights


def cider(
    candidate_ngrams: Sequence[Counts],
    reference_ngrams: Sequence[Counts],
    references_of: Sequence[int],
    frequency: DocumentFrequency,
) -> np.ndarray:
    """Returns the CIDEr of each image (images,), from 0 to 10. The score of a set is the mean.

    Args:
        candidate_ngrams: counts of all candidates for n = 1..4.
        reference_ngrams: counts of all references, flattened, from the same call of `frequency.index.count`.
        references_of: number of references of each image.
        frequency: document frequency for the idf.
    """
    images, sentences = len(references_of), int(sum(references_of))
    image_of = np.repeat(np.arange(images), references_of)
    candidate_weights = frequency.weights(candidate_ngrams)
    reference_weights = frequency.weights(reference_ngrams)
    similarity = np.zeros(sentences)
    for n in range(ORDERS):
        candidate, reference = candidate_ngrams[n], reference_ngrams[n]
        weight, reference_weight = candidate_weights[n], reference_weights[n]
        keys = image_of[reference.sentence] << 32 | reference.ngram
        at = find(candidate.sentence.astype(np.int64) << 32 | candidate.ngram, keys)
        shared = at >= 0
        product = np.minimum(weight[at[shared]], reference_weight[shared]) * reference_weight[shared]
        dot = np.bincount(reference.sentence[shared], product, minlength=sentences)
        norm = np.sqrt(np.bincount(candidate.sentence, weight**2, minlength=images))[image_of]
        norm *= np.sqrt(np.bincount(reference.sentence, reference_weight**2, minlength=sentences))
        similarity += dot / np.where(norm == 0, 1, norm)
    bigrams = np.bincount(candidate_ngrams[1].sentence, candidate_ngrams[1].count, minlength=images)
    difference = bigrams[image_of] - np.bincount(
        reference_ngrams[1].sentence, reference_ngrams[1].count, minlength=sentences
    )
    similarity *= np.exp(-(difference**2) / (2 * SIGMA**2))
    return 10 * np.bincount(image_of, similarity, minlength=images) / ORDERS / np.asarray(references_of)
