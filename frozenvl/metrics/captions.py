"""Caption metrics without Java: BLEU-1..4, CIDEr and ROUGE-L, equal to pycocoevalcap's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.metrics.bleu import COUNTS, bleu, bleu_counts
from frozenvl.metrics.caption_words import CaptionWords, caption_words
from frozenvl.metrics.cider import DocumentFrequency, cider
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.ngrams import NGramIndex, NGrams, Sentences
from frozenvl.metrics.spacing import spacing_note
from frozenvl.metrics.tokenizers import TokenizerName, record_of
from frozenvl.util.errors import UserError

CAPTION_METRICS = ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr", "ROUGE_L")
"""Metrics that `caption_scores` computes. METEOR and SPICE need Java; `metrics.java` computes them."""

METRICS = (
    Metric("CIDEr", digits=3, main=True),
    Metric("Bleu_4", digits=3),
    Metric("ROUGE_L", digits=3),
    *(Metric(f"Bleu_{n}", digits=3, shown=False) for n in (1, 2, 3)),
)
"""Descriptions of these scores, which are on pycocoevalcap's scale (CIDEr 0.95), not in percent."""

_IMAGES = 4096
"""Number of images whose n-grams are compared at a time: they fit into a processor's cache."""


def rules_of(tokenizer: TokenizerName) -> dict[str, str]:
    """Returns the variants of tokenizer and CIDEr, as scores record them. Errors are as in `tokenizer_of`."""
    return {"tokenizer": record_of(tokenizer), "CIDEr": "CIDEr-D"}


@dataclass(frozen=True)
class CaptionScores:
    """Scores of a set of captions, on pycocoevalcap's scale (CIDEr 0.95, Bleu_4 0.27)."""

    scores: dict[str, float]
    """Scores of the whole set. BLEU comes from summed counts; CIDEr and ROUGE-L are means over images."""
    units: list[str]
    """Image ids in the order of the candidates, which intervals resample."""
    columns: dict[str, np.ndarray] = field(repr=False)
    """Metric → score of each image (images,)."""
    counts: np.ndarray = field(repr=False)
    """Counts (images, 10) from which BLEU of any subset is computed: see `bleu`."""
    notes: list[str] = field(default_factory=list)
    """Remarks that matter when reading the scores, one line each: empty captions, references without spaces, …"""

    @cached_property
    def per_image(self) -> dict[str, dict[str, float]]:
        """Image id → scores, in the order of the candidates."""
        rows = zip(*(column.tolist() for column in self.columns.values()), strict=True)
        return {
            image: dict(zip(self.columns, row, strict=True))
            for image, row in zip(self.units, rows, strict=True)
        }

    @property
    def per_query(self) -> dict[str, float]:
        """Image id → CIDEr."""
        return dict(zip(self.units, self.columns["CIDEr"].tolist(), strict=True))

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, image j counts `weights[i, j]` times.

        CIDEr keeps the idf of the full reference set; BLEU is computed from resampled counts.
        """
        resampled = {f"Bleu_{n}": values for n, values in enumerate(bleu(weights @ self.counts).T, start=1)}
        for name in ("CIDEr", "ROUGE_L"):
            if name in self.scores:
                resampled[name] = weights @ self.columns[name] / weights.sum(axis=1)
        return {name: resampled[name] for name in self.scores}

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples images."""
        return bootstrap.intervals(self, confidence, samples, seed)


def check_captions(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], partial: bool = False
) -> None:
    """Raises `UserError` unless each image has a list of references and one caption, as text.

    With `partial`, images without a caption are allowed.
    """
    if not candidates:
        raise UserError("no captions to score: the results are empty")
    unknown = [image for image in candidates if image not in references]
    if unknown:
        raise UserError(
            f"{len(unknown)} of {len(candidates)} captions are for images without references"
            f" (first: {unknown[0]!r}); check that results and references belong together"
        )
    missing = [image for image in references if image not in candidates]
    if missing and not partial:
        raise UserError(
            f"{len(missing)} of {len(references)} images have no caption in the results"
            f" (first: {missing[0]!r}); caption them, or ask for a partial score"
        )
    for image, caption in candidates.items():
        if not isinstance(caption, str):
            raise UserError(f"the caption of image {image!r} is not text; give each image one caption")
        if isinstance(references[image], str) or not references[image]:
            raise UserError(
                f"image {image!r} has no list of reference captions; give it one, or leave it out"
            )


def caption_scores(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    metrics: Iterable[str] = CAPTION_METRICS,
    document_frequency: DocumentFrequency | None = None,
    partial: bool = False,
    tokenizer: TokenizerName = "ptb",
    processes: int = 1,
) -> CaptionScores:
    """Computes BLEU-1..4, CIDEr and ROUGE-L of one caption per image, tokenised as pycocoevalcap does by default.

    A caption without tokens (for "ptb", also one of punctuation only) scores as in pycocoevalcap: 0, except for ROUGE-L
    1 against an equally empty reference. With a single image the idf is 0 everywhere, and so is CIDEr. `notes` mentions
    both cases, and references that "ptb" does not split into words.

    Args:
        candidates: image id → generated caption, as raw text.
        references: image id → human captions, as raw text, at least one per image.
        metrics: names from `CAPTION_METRICS` to compute.
        document_frequency: idf of CIDEr, computed before or on another reference set; by default it is
            computed from `references`.
        partial: whether images without a caption are allowed. They still count in the idf.
        tokenizer: "ptb" is pycocoevalcap's; "char", "zh" and "ja" are sacrebleu's, for texts without spaces.
        processes: largest number of processes that tokenise many captions, see `worker_processes.results_of`. Scores
            do not depend on it.

    Raises:
        UserError: if there are no captions, unknown images, missing captions (unless `partial`), images without
            references, or unknown metrics; if the tokenizer is unknown, or its library is not installed.
    """
    wanted = [name for name in CAPTION_METRICS if name in set(metrics)]
    if unknown := set(metrics) - set(CAPTION_METRICS):
        raise UserError(f"unknown caption metrics {sorted(unknown)}; there are {list(CAPTION_METRICS)}")
    check_captions(candidates, references, partial)
    with_ngrams = bool({*wanted} - {"ROUGE_L"})
    # References of images without a caption matter for the idf only.
    all_needed = with_ngrams and document_frequency is None
    needed = references if all_needed else {image: references[image] for image in candidates}
    vocabulary = document_frequency.index.vocabulary if document_frequency else None
    captions = caption_words(candidates, needed, tokenizer, vocabulary, processes)
    notes = spacing_note(chain.from_iterable(references.values()), tokenizer)
    if captions.empty:
        notes.append(f"{captions.empty} of {len(candidates)} captions have no words; they score 0")

    columns: dict[str, np.ndarray] = {}
    scores: dict[str, float] = {}
    counts = np.zeros((len(candidates), COUNTS))
    if with_ngrams:
        references_of = [len(references[image]) for image in candidates]
        sentences = Sentences.joined([captions.candidates, captions.references])
        if document_frequency is None:
            index, ngrams = NGramIndex.numbered(sentences, captions.vocabulary)
            others = [len(texts) for image, texts in references.items() if image not in candidates]
            document_frequency = DocumentFrequency.counted(
                index, ngrams, references_of + others, first=len(candidates)
            )
        else:
            ngrams = document_frequency.index.number(sentences)
        counts, columns["CIDEr"] = _bleu_counts_and_cider(captions, ngrams, references_of, document_frequency)
        for n, (column, total) in enumerate(zip(bleu(counts).T, bleu(counts.sum(axis=0)), strict=True), 1):
            columns[f"Bleu_{n}"], scores[f"Bleu_{n}"] = column, float(total)
        scores["CIDEr"] = float(columns["CIDEr"].mean())
        if document_frequency.images == 1 and "CIDEr" in wanted:
            notes.append("CIDEr is 0: its idf comes from the references of one single image")
    if "ROUGE_L" in wanted:
        columns["ROUGE_L"] = captions.rouge
        scores["ROUGE_L"] = float(captions.rouge.mean())
    return CaptionScores(
        {name: scores[name] for name in wanted},
        list(candidates),
        {name: columns[name] for name in wanted},
        counts,
        notes,
    )


def _bleu_counts_and_cider(
    captions: CaptionWords, ngrams: NGrams, references_of: list[int], frequency: DocumentFrequency
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts of BLEU (images, `COUNTS`) and CIDEr (images,). The n-grams are those of all candidates, and
    then of all references."""
    images, bounds = len(references_of), np.cumsum([0, *references_of])
    counts, ciders = np.zeros((images, COUNTS)), np.zeros(images)
    for start in range(0, images, _IMAGES):
        stop = min(start + _IMAGES, images)
        first, last = bounds[start], bounds[stop]
        candidate, reference = ngrams.counts(start, stop), ngrams.counts(images + first, images + last)
        of = references_of[start:stop]
        lengths = captions.candidates.lengths[start:stop], captions.references.lengths[first:last]
        counts[start:stop] = bleu_counts(*lengths, of, candidate, reference)
        ciders[start:stop] = cider(candidate, reference, of, frequency)
    return counts, ciders
