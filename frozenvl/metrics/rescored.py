"""Scores computed again from the rows of a predictions.jsonl: captions, answers, names, matchings and dialogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frozenvl.metrics import dialogue, matching, naming, vqa
from frozenvl.metrics.bootstrap import Resampled
from frozenvl.metrics.caption_groups import grouped_caption_scores
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.stated_objects import object_scores
from frozenvl.metrics.tokenizers import recorded_tokenizer
from frozenvl.metrics.vqa_rules import recorded_rules

Rows = Mapping[str, Mapping[str, Any]]
"""Query id → row of a predictions.jsonl."""
Facts = Mapping[str, Any]
"""Provenance of a score, with `partial`: whether only some of the queries were answered."""


@dataclass(frozen=True)
class Rescored:
    """Scores of a set of predictions, and what is needed to compare them with another set."""

    result: Resampled
    per_query: Mapping[str, float]
    """Id of a query or an example → its own score."""
    shown: Rows
    """Id of a query or an example → `text` and `references`, and perhaps `question`, to draw in a gallery."""
    asked: Collection[str]
    """Ids of everything that two sets of predictions have to have in common."""
    redundant: Collection[str] = ()
    """Names of scores that cannot differ from the main one."""


def _redundant(rows: Rows, metrics: Sequence[Metric]) -> Collection[str]:
    """Returns the names of lenient scores if all answers were chosen: no text can follow an answer among candidates."""
    chosen = all(row.get("candidates") for row in rows.values())
    return {metric.name for metric in metrics if chosen and not metric.main}


def _images(rows: Rows) -> dict[str, str]:
    return {key: row.get("image_id", key) for key, row in rows.items()}


def _kinds(rows: Rows) -> dict[str, dict[str, str]]:
    return {key: row.get("kind", {}) for key, row in rows.items()}


def captions(rows: Rows, facts: Facts) -> Rescored:
    """Scores captions with the recorded tokenizer."""
    texts = {key: row["text"] for key, row in rows.items()}
    references = {key: row["references"] for key, row in rows.items()}
    tokenizer = recorded_tokenizer(facts.get("metrics_tokenizer", ""))
    result = grouped_caption_scores(texts, references, _kinds(rows), tokenizer=tokenizer)
    return Rescored(result, result.per_query, rows, rows.keys())


def object_captions(rows: Rows, facts: Facts) -> Rescored:
    """Scores captions, and the objects that they state, with the recorded tokenizer and words."""
    texts = {key: row["text"] for key, row in rows.items()}
    references = {key: row["references"] for key, row in rows.items()}
    tokenizer = recorded_tokenizer(facts.get("metrics_tokenizer", ""))
    words = facts["attributes"], facts["nouns"]
    result = object_scores(texts, references, _kinds(rows), *words, tokenizer=tokenizer)
    return Rescored(result, result.per_query, rows, rows.keys())


def answers(rows: Rows, facts: Facts) -> Rescored:
    """Scores answers to questions by the recorded rules."""
    texts = {key: row["text"] for key, row in rows.items()}
    rules = recorded_rules(facts.get("normalisation", ""))
    if any(row.get("scores") for row in rows.values()):
        soft = {key: row.get("scores") or {"": 0.0} for key, row in rows.items()}
        result = vqa.soft_scores(texts, soft, _kinds(rows), _images(rows), rules=rules)
    else:
        references = {key: row["references"] for key, row in rows.items()}
        result = vqa.vqa_scores(texts, references, _kinds(rows), _images(rows), rules=rules)
    return Rescored(result, result.per_query, rows, rows.keys(), _redundant(rows, vqa.METRICS))


def names(rows: Rows, facts: Facts) -> Rescored:
    """Scores names of images by the strict and by the lenient rule."""
    texts = {key: row["text"] for key, row in rows.items()}
    ended = {key: row["ended"] for key, row in rows.items() if "ended" in row}
    true = {key: row["references"][0] for key, row in rows.items()}
    result = naming.naming_scores(texts, ended, true, _images(rows))
    return Rescored(result, result.per_query, rows, rows.keys(), _redundant(rows, naming.METRICS))


def choices(rows: Rows, facts: Facts) -> Rescored:
    """Scores the choice of the true caption among foils."""
    candidates = {key: row["candidates"] for key, row in rows.items()}
    right = {
        key: "unreadable" not in row and matching.chosen_is_last(row["candidates"], row["generated"])
        for key, row in rows.items()
    }
    result = matching.matching_scores(
        right,
        {key: matching.highest_is_last(row.get("text_values", ())) for key, row in rows.items()},
        _kinds(rows),
        _images(rows),
        matching.items_of(candidates),
        {
            key: dict(zip(candidates[key], row["values"], strict=True))
            for key, row in rows.items()
            if "values" in row
        },
    )
    return Rescored(result, result.per_query, rows, rows.keys())


def ranked_replies(rows: Rows, facts: Facts) -> Rescored:
    """Scores the ranks of the true replies of rounds."""
    rankings = {
        key: dialogue.ranking_of(
            row["candidates"],
            row["references"],
            row.get("scores", {}),
            row.get("values", ()),
            row.get("mean_values", ()),
        )
        for key, row in rows.items()
    }
    result = dialogue.ranking_scores(rankings, _kinds(rows), _images(rows))
    return Rescored(result, result.per_query, rows, rows.keys())


def replies(rows: Rows, facts: Facts) -> Rescored:
    """Scores replies as answers or as captions, as was recorded."""
    return captions(rows, facts) if facts.get("scored_as") == "captions" else answers(rows, facts)
