"""Words of captions and references by their numbers, and ROUGE-L: tokenised in pieces, by several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from frozenvl.metrics.ngrams import Sentences
from frozenvl.metrics.rouge import rouge_l
from frozenvl.metrics.tokenizers import TokenizerName, tokenizer_of
from frozenvl.metrics.worker_processes import results_of

_IMAGES = 2048
"""Number of images in a piece."""
MIN_TEXTS = 100_000
"""Number of texts from which several processes pay: starting them takes as long as tokenising half as many."""


@dataclass(frozen=True)
class CaptionWords:
    """Tokenised captions and references."""

    vocabulary: dict[str, int]
    """Word → number, in the order of candidates, their references and other references."""
    candidates: Sentences
    """Words of each image's candidate."""
    references: Sentences
    """Words of all references: of the candidates' images, in their order, and then of other images."""
    rouge: np.ndarray
    """ROUGE-L of each candidate (images,)."""
    empty: int
    """Number of candidates without tokens."""


class _Texts(NamedTuple):
    """Texts of some images: a candidate for each or none, and the references."""

    tokenizer: TokenizerName
    candidates: list[str]
    references: list[Sequence[str]]


class _Tokenised(NamedTuple):
    """Words of a piece, by the numbers of its own vocabulary: `candidate_words`, then `reference_words`."""

    candidate_words: list[str]
    reference_words: list[str]
    candidates: Sentences
    references: Sentences
    rouge: list[float]
    empty: int


def caption_words(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    tokenizer: TokenizerName = "ptb",
    vocabulary: Mapping[str, int] | None = None,
    processes: int = 1,
) -> CaptionWords:
    """Tokenises captions and references.

    Args:
        candidates: image id → generated caption, as raw text.
        references: image id → human captions, as raw text; also of images without a candidate.
        tokenizer: see `tokenizers`.
        vocabulary: word → number, known before. New words are numbered after them.
        processes: largest number of processes. Few texts are tokenised in this one. See `worker_processes`.

    Raises:
        UserError: if the tokenizer is unknown, or its library is not installed.
    """
    tokenizer_of(tokenizer)  # its error is raised here, not in another process
    pieces = [*_pieces(candidates, references, tokenizer)]
    texts = len(candidates) + sum(map(len, references.values()))
    done = [*results_of(_tokenised, pieces, processes if texts >= MIN_TEXTS else 1)]
    known = dict(vocabulary or {})
    # Sums over the n-grams of a caption run in the order of these numbers, so it must not depend on the pieces.
    for piece in done:
        _add(piece.candidate_words, known)
    for piece in done:
        _add(piece.reference_words, known)
    for place, piece in enumerate(done):
        number = np.array([known[word] for word in piece.candidate_words + piece.reference_words], np.int32)
        done[place] = piece._replace(
            candidates=replace(piece.candidates, words=number[piece.candidates.words]),
            references=replace(piece.references, words=number[piece.references.words]),
        )
    return CaptionWords(
        known,
        Sentences.joined([piece.candidates for piece in done]),
        Sentences.joined([piece.references for piece in done]),
        np.concatenate([piece.rouge for piece in done]),
        sum(piece.empty for piece in done),
    )


def _pieces(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], tokenizer: TokenizerName
) -> Iterator[_Texts]:
    scored, others = [*candidates], [image for image in references if image not in candidates]
    for images in (scored, others):
        for start in range(0, len(images), _IMAGES):
            part = images[start : start + _IMAGES]
            texts = [candidates[image] for image in part] if images is scored else []
            yield _Texts(tokenizer, texts, [references[image] for image in part])


def _tokenised(texts: _Texts) -> _Tokenised:
    tokenize = tokenizer_of(texts.tokenizer)
    candidates = [tokenize(text) for text in texts.candidates]
    references = [[tokenize(text) for text in several] for several in texts.references]
    vocabulary: dict[str, int] = {}
    own = Sentences.of(_words(candidates), vocabulary)
    first = len(vocabulary)
    other = Sentences.of(_words(tokens for several in references for tokens in several), vocabulary)
    words = [*vocabulary]
    rouge = [rouge_l(*pair) for pair in zip(candidates, references, strict=False)]
    empty = sum(not tokens for tokens in candidates)
    return _Tokenised(words[:first], words[first:], own, other, rouge, empty)


def _words(captions: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yields the words of tokens: pycocoevalcap splits at any white space for n-grams, and a token may contain a
    no-break space."""
    return (" ".join(tokens).split() for tokens in captions)


def _add(words: Iterable[str], vocabulary: dict[str, int]) -> None:
    for word in words:
        vocabulary.setdefault(word, len(vocabulary))
