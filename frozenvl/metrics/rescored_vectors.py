"""Scores computed again from the embeddings in a predictions.jsonl: retrieval, zero-shot classification and tagging."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frozenvl.metrics.content_words import number_with
from frozenvl.metrics.label_scores import label_scores
from frozenvl.metrics.querybank import querybank_normalised
from frozenvl.metrics.ranking import top_candidates
from frozenvl.metrics.reranking import RerankedScores
from frozenvl.metrics.rescored import Facts, Rescored, Rows
from frozenvl.metrics.retrieval import RECALLS, Reranking, RetrievalScores, retrieval_scores
from frozenvl.metrics.tagging import tagging_scores
from frozenvl.metrics.vectors import decoded, unit_vectors
from frozenvl.metrics.zero_shot import classification_scores
from frozenvl.util.errors import UserError

SHOWN = 3
"""Number of labels that are shown for an image."""
_LABEL = re.compile(r"label(\d+)/(\d+)")
_CAPTION = re.compile(r"(.*)/caption(\d+)", re.DOTALL)


def _vector(row: Mapping[str, Any] | None) -> np.ndarray | None:
    return decoded(row["vector"]) if row and "vector" in row else None


def retrieval(rows: Rows, facts: Facts) -> Rescored:
    """Ranks images and captions by their embeddings, and again by the scores of re-ranked captions if there are any.

    The score of an image is its share of `rsum`: with its captions as queries, the sum of the six recalls in percent.

    Raises:
        UserError: if folds or re-ranked captions were recorded without the places of images.
    """
    images = [key for key in rows if key.endswith("/image")]
    folds = 1 if facts.get("partial") else facts.get("folds", 1)
    if all("place" in rows[key].get("kind", {}) for key in images):
        images.sort(key=lambda key: int(rows[key]["kind"]["place"]))
    elif folds > 1 or "rerank" in facts:
        raise UserError(
            "its folds or re-ranked captions were recorded without the places of images; evaluate the run again (its "
            "answers are reused)"
        )
    ids = [key.removesuffix("/image") for key in images]
    captions, owners = _captions(rows, ids)
    if not captions:
        raise UserError("no image was asked together with its captions; evaluate more of its queries")
    texts = [rows[key]["references"][0] for key in captions]
    # Captions of one text have one vector, so that they tie.
    of_text: dict[str, str] = {}
    for key, text in zip(captions, texts, strict=True):
        of_text.setdefault(text, key)
    found = unit_vectors([_vector(rows[key]) for key in (*images, *(of_text[text] for text in texts))])
    vectors = found[: len(images)], found[len(images) :]
    bank = [
        [rows.get(f"bank {kind} {n}") for n in range(facts.get("bank", 0))] for kind in ("image", "caption")
    ]
    if "bank" in facts and all(row for side in bank for row in side):
        sides = [unit_vectors([_vector(row) for row in side]) for side in bank]
        vectors = querybank_normalised(vectors, (sides[0], sides[1]), facts["bank_scale"])
    photographs = [rows[key]["image_id"] for key in images]
    own = [[owner] for owner in owners]
    before = retrieval_scores(vectors, own, photographs, folds)
    result: RetrievalScores | RerankedScores = before
    nearest = top_candidates(vectors, max(1, facts.get("rerank", 0)))
    first = nearest[:, 0]
    if "rerank" in facts:
        again = np.full(nearest.shape, np.nan)
        for place, key in enumerate(ids):
            if values := rows.get(f"{key}/rerank", {}).get("values"):
                cosines = vectors[1][nearest[place]] @ vectors[0][place]
                again[place] = np.array(values) + facts.get("similarity_weight", 0.0) * cosines
        after = retrieval_scores(vectors, own, photographs, rerank={"i2t": Reranking(nearest, again)})
        result = RerankedScores(before, after)
        best = np.where(np.isfinite(again), again, -np.inf).argmax(axis=1)
        first = np.take_along_axis(nearest, best[:, None], axis=1)[:, 0]
    references: dict[str, list[str]] = {key: [] for key in ids}
    for owner, text in zip(owners, texts, strict=True):
        references[ids[owner]].append(text)
    unit = dict(zip(before.units, _shares(before).tolist(), strict=True))
    return Rescored(
        result,
        {key: unit[photograph] for key, photograph in zip(ids, photographs, strict=True)},
        {
            key: {"text": texts[caption], "references": references[key]}
            for key, caption in zip(ids, first.tolist(), strict=True)
        },
        {*images, *captions},
    )


def _captions(rows: Rows, ids: Sequence[str]) -> tuple[list[str], list[int]]:
    """Returns the ids of the captions of images, in the order of the images, and the index of the image of each."""
    place = {key: index for index, key in enumerate(ids)}
    found = [
        (place[match[1]], int(match[2]), match[0])
        for match in map(_CAPTION.fullmatch, rows)
        if match and match[1] in place
    ]
    return [key for _, _, key in sorted(found)], [owner for owner, _, _ in sorted(found)]


def _shares(result: RetrievalScores) -> np.ndarray:
    """Returns the sum of the six recalls (photographs,) of each photograph's own queries, in percent."""
    count = len(result.units)
    total = np.zeros(count)
    for ranks in result.whole:
        asked = np.maximum(1, np.bincount(ranks.units, minlength=count))
        for k in RECALLS:
            total += 100 * np.bincount(ranks.units, ranks.ranks <= k, minlength=count) / asked
    return total


@dataclass(frozen=True)
class Labelled:
    """Images with the scores of labels."""

    ids: list[str]
    photographs: list[str]
    references: list[list[str]]
    labels: list[str]
    matrix: np.ndarray
    """Scores (images, labels); nan if missing."""

    def rescored(self, result: Any, per_query: Mapping[str, float]) -> Rescored:
        """Returns the scores, with the first labels of each image to show."""
        order = np.argsort(-np.where(np.isfinite(self.matrix), self.matrix, -np.inf), axis=1, kind="stable")
        first = [", ".join(self.labels[label] for label in row[:SHOWN]) for row in order]
        shown = {
            key: {"text": text, "references": references}
            for key, text, references in zip(self.ids, first, self.references, strict=True)
        }
        return Rescored(result, per_query, shown, {*self.ids, *(f"label {label}" for label in self.labels)})


def _labelled(rows: Rows, facts: Facts) -> Labelled:
    """Returns the images of a benchmark with labels, and the scores of the recorded labels."""
    labels, by = facts["labels"], facts["by"]
    templates = range(len(facts["templates"]))
    of_image: dict[str, Mapping[str, Any]] = {}
    for key, row in rows.items():
        if not (_LABEL.fullmatch(key) and not row.get("image_id")):
            of_image.setdefault(key.rpartition("/")[0], row)
    matrix = label_scores(
        by,
        len(labels),
        [_vector(rows.get(f"{key}/image")) for key in of_image],
        [
            [_vector(rows.get(f"label{index}/{number}")) for index in range(len(labels))]
            for number in templates
        ],
        [
            [rows.get(f"{key}/likelihood{number}", {}).get("values", ()) for number in templates]
            for key in of_image
        ],
    )
    photographs = [row["image_id"] for row in of_image.values()]
    references = [row["references"] for row in of_image.values()]
    return Labelled([*of_image], photographs, references, labels, matrix)


def classification(rows: Rows, facts: Facts) -> Rescored:
    """Scores the choice of each image's class among the recorded labels. An image's score is its accuracy."""
    found = _labelled(rows, facts)
    truth = {key: references[0] for key, references in zip(found.ids, found.references, strict=True)}
    photographs = dict(zip(found.ids, found.photographs, strict=True))
    result = classification_scores(found.matrix, found.labels, truth, photographs)
    return found.rescored(result, result.per_query)


def tags(rows: Rows, facts: Facts) -> Rescored:
    """Scores the recorded tags. An image's score is the precision of its first k tags, in percent."""
    found = _labelled(rows, facts)
    counts = [number_with(references, found.labels) for references in found.references]
    truth = np.array(counts) >= facts["min_captions"]
    result = tagging_scores(found.matrix, truth, found.labels, found.photographs, facts["k"])
    own = next((values for values, _ in result.first.values()), np.zeros(len(found.ids)))
    return found.rescored(result, dict(zip(found.ids, own.tolist(), strict=True)))
