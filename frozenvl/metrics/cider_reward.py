"""CIDEr-D of sampled captions as a reward for self-critical training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frozenvl.metrics.cider import DocumentFrequency, cider
from frozenvl.metrics.ngrams import Counts, NGramIndex, Sentences
from frozenvl.metrics.tokenizers import TokenizerName, tokenizer_of
from frozenvl.util.errors import UserError

END = "end of text"
"""Word that stands for the end token in n-grams. No tokenizer gives it, because it has spaces."""


@dataclass(frozen=True)
class _References:
    """Counts of all references for one n, grouped by sentence, in small integers: COCO has 25 million entries."""

    starts: np.ndarray
    """First entry of each sentence, and the number of entries (sentences + 1,)."""
    ngram: np.ndarray
    """Number of the n-gram of each entry (entries,)."""
    count: np.ndarray
    """Number of times that the n-gram occurs in the sentence (entries,)."""

    @classmethod
    def of(cls, counts: Counts, sentences: int) -> _References:
        starts = np.searchsorted(counts.sentence, np.arange(sentences + 1))
        return cls(starts, counts.ngram.astype(np.int32), counts.count.astype(np.int32))

    def select(self, sentences: np.ndarray) -> Counts:
        """Returns the counts of some sentences, which may repeat, numbered in the given order."""
        starts = self.starts[sentences]
        sizes = self.starts[sentences + 1] - starts
        firsts = np.cumsum(sizes) - sizes
        entries = np.arange(sizes.sum()) + np.repeat(starts - firsts, sizes)
        owner = np.repeat(np.arange(len(sentences)), sizes)
        return Counts(owner, self.ngram[entries].astype(np.int64), self.count[entries].astype(np.int64))


class CiderReward:
    """CIDEr-D of captions against the references of their images, with the end token as a word of the n-grams.

    Every reference ends with the end token. A sampled caption has it only if the model produced it. Without this word
    in the n-grams, a caption that breaks off ("a dog on a") loses little, and many sampled captions end so
    (https://github.com/ruotianluo/self-critical.pytorch/issues/43).

    The idf comes from the given references, whatever is scored later. References are tokenised and counted once.

    Args:
        references: image id → reference captions of the training set, as raw text.
        tokenizer: tokenizer of captions and references: "ptb" is pycocoevalcap's; "char", "zh" and "ja" are
            sacrebleu's.

    Raises:
        UserError: if there are fewer than two images, one has no references, or the tokenizer is not available.
    """

    def __init__(self, references: Mapping[str, Sequence[str]], tokenizer: TokenizerName = "ptb") -> None:
        if empty := [image for image, texts in references.items() if not texts]:
            raise UserError(f"image {empty[0]!r} has no reference captions; give it some, or leave it out")
        if len(references) < 2:
            raise UserError(
                f"a CIDEr reward needs references of two or more images, and there are {len(references)}: with one, "
                "every weight is 0; give more images"
            )
        self._tokenize = tokenizer_of(tokenizer)
        vocabulary: dict[str, int] = {}
        words = (self._words(text, True) for texts in references.values() for text in texts)
        sentences = Sentences.of(words, vocabulary)
        index, ngrams = NGramIndex.numbered(sentences, vocabulary)
        self._references_of = np.array([len(texts) for texts in references.values()])
        self._first = np.cumsum(self._references_of) - self._references_of
        self._place = {image: place for place, image in enumerate(references)}
        self._frequency = DocumentFrequency.counted(index, ngrams, self._references_of.tolist())
        count = len(sentences.lengths)
        self._counts = [_References.of(entries, count) for entries in ngrams.counts(0, count)]

    def __contains__(self, image: str) -> bool:
        """Tells whether an image has references."""
        return image in self._place

    def __call__(self, texts: Sequence[str], ended: Sequence[bool], images: Sequence[str]) -> np.ndarray:
        """Returns the reward (n,) of each caption, from 0 to 10.

        Args:
            texts: n sampled captions, as raw text without the end token.
            ended: whether each ended with the end token; False if it was cut at the length limit.
            images: id of each caption's image.

        Raises:
            KeyError: if an image has no references.
        """
        if not len(texts):
            return np.zeros(0)
        words = [self._words(text, end) for text, end in zip(texts, ended, strict=True)]
        places = np.array([self._place[image] for image in images])
        (candidates,) = self._frequency.index.count(words)
        references_of = self._references_of[places]
        firsts = np.cumsum(references_of) - references_of
        sentences = np.arange(references_of.sum()) + np.repeat(self._first[places] - firsts, references_of)
        references = [counts.select(sentences) for counts in self._counts]
        return cider(candidates, references, references_of.tolist(), self._frequency)

    def _words(self, text: str, ended: bool) -> list[str]:
        words = " ".join(self._tokenize(text)).split()
        return [*words, END] if ended else words
