"""Paired comparison of two sets of predictions for the same queries: differences, intervals, p, changed queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.evaluation.score_file import Score, read_score
from frozenvl.metrics import captions, naming, vqa
from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.metrics.bootstrap import Difference, paired_bootstrap
from frozenvl.metrics.caption_groups import GroupedCaptionScores, grouped_caption_scores
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.tokenizers import recorded_tokenizer
from frozenvl.metrics.vqa_rules import recorded_rules
from frozenvl.report.comparability import differ, facts, plain
from frozenvl.report.load import same_setting
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json

OWN = ("model", "trained_weights", "blind", "precision")
"""Keys of a provenance in which two models may differ. A difference in another key is a warning."""
METRICS: dict[str, Sequence[Metric]] = {
    "captions": captions.METRICS,
    "vqa": vqa.METRICS,
    "fast_vqa": vqa.METRICS,
    "naming": naming.METRICS,
}
"""Protocol → metrics of its predictions."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of B with A on one evaluation."""

    differences: dict[str, Difference]
    """Name of a score → B minus A, with its interval and p."""
    metrics: Sequence[Metric]
    a: dict[str, float]
    """Scores of A."""
    changed: list[str]
    """Ids of all queries, sorted by |B - A|, largest first."""
    per_query: dict[str, tuple[float, float]]
    """Query id → main score of A and of B on it."""
    records: tuple[dict[str, Any], dict[str, Any]]
    """Predictions of A and of B: query id → row of predictions.jsonl."""
    warnings: list[str]
    """Lines on differences between the evaluations other than the model."""


def read_predictions(path: Path) -> dict[str, dict[str, Any]]:
    """Reads a predictions.jsonl as query id → row.

    Raises:
        UserError: if a line has no id, text or references.
    """
    rows = {str(row.get("id")): row for row in read_json(path)}
    if not rows or not all({"text", "references"} <= row.keys() for row in rows.values()):
        raise UserError(f"{path}: not a predictions.jsonl: each line needs id, text and references")
    return rows


def evaluations(path: Path) -> dict[str, Path]:
    """Returns name of the evaluation → predictions.jsonl of a run's folder; "" → file if the path is such a file.

    Raises:
        UserError: if there are none.
    """
    if path.is_file():
        return {"": path}
    files = {file.parent.name: file for file in sorted(path.glob("evaluation/*/predictions.jsonl"))}
    if not files:
        raise UserError(f"{path}: no such file, nor a run's folder with evaluation/*/predictions.jsonl")
    return files


def matched(first: Mapping[str, Path], second: Mapping[str, Path]) -> dict[str, tuple[Path, Path]]:
    """Pairs the evaluations of two runs: by name, and the rest by benchmark, setting and view.

    Takes name of the evaluation → file for A and for B; returns name of A's evaluation → file of A, file of B.
    """
    others = {_task(path): path for name, path in second.items() if name not in first}
    pairs = {}
    for name, path in first.items():
        other = second.get(name) or others.pop(_task(path), None)
        if other:
            pairs[name] = path, other
    return pairs


def _task(predictions: Path) -> Any:
    """Returns a key that is equal for predictions of one benchmark, setting and view."""
    score = score_of(predictions)
    return (same_setting(score), score.view) if score else predictions


def score_of(predictions: Path) -> Score | None:
    """Reads the score.json in the folder of a predictions.jsonl; None if there is none."""
    file = predictions.with_name("score.json")
    return read_score(file) if file.is_file() else None


def compare(a: Path, b: Path) -> Comparison:
    """Scores two predictions.jsonl of the same queries and bootstraps their differences over images.

    Both are scored with the tokenizer and the VQA rules of A, or of B if A has no score.json. A warning says if they
    differ.

    Raises:
        UserError: if they have different queries, or a protocol without a scorer.
    """
    first, second = read_predictions(a), read_predictions(b)
    if first.keys() != second.keys():
        only = sorted(first.keys() ^ second.keys())
        raise UserError(
            f"{a} and {b}: {len(only)} queries stand in one only (first: {only[0]}); compare like with like"
        )
    scores = {path: score_of(path) for path in (a, b)}
    by_rows = "vqa" if any(row.get("question") for row in first.values()) else "captions"
    protocol = next((score.protocol for score in scores.values() if score), by_rows)
    if protocol not in METRICS:
        raise UserError(
            f"{a}: predictions of {protocol!r} are not compared; only those of {', '.join(METRICS)} are"
        )
    known = next((score for score in scores.values() if score), None)
    provenance = known.provenance if known else {}
    one, other = (_scored(protocol, rows, provenance) for rows in (first, second))
    metrics = METRICS[protocol]
    chosen = all(row.get("candidates") for rows in (first, second) for row in rows.values())
    # No text can follow an answer that was chosen among candidates, so lenient metrics equal the main one.
    redundant = {metric.name for metric in metrics if chosen and not metric.main}
    changes = paired_bootstrap(one, other)
    differences = {key: change for key, change in changes.items() if key not in redundant}
    per_query = {key: (one.per_query[key], other.per_query[key]) for key in first}
    changed = sorted(per_query, key=lambda key: (-abs(per_query[key][1] - per_query[key][0]), key))
    warnings = list(_warnings(scores))
    return Comparison(differences, metrics, one.scores, changed, per_query, (first, second), warnings)


def _scored(
    protocol: str, rows: dict[str, dict[str, Any]], provenance: Mapping[str, Any]
) -> GroupedCaptionScores | AccuracyScores:
    """Scores predictions as their benchmark does, with the tokenizer and the VQA rules that a provenance records."""
    texts = {key: row["text"] for key, row in rows.items()}
    references = {key: row["references"] for key, row in rows.items()}
    kinds = {key: row.get("kind", {}) for key, row in rows.items()}
    if protocol == "captions":
        tokenizer = recorded_tokenizer(provenance.get("metrics_tokenizer", ""))
        return grouped_caption_scores(texts, references, kinds, tokenizer=tokenizer)
    images = {key: row.get("image_id", key) for key, row in rows.items()}
    if protocol == "naming":
        ended = {key: row["ended"] for key, row in rows.items() if "ended" in row}
        names = {key: listed[0] for key, listed in references.items()}
        return naming.naming_scores(texts, ended, names, images)
    rules = recorded_rules(provenance.get("normalisation", ""))
    if any(row.get("scores") for row in rows.values()):
        soft = {key: row.get("scores") or {"": 0.0} for key, row in rows.items()}
        return vqa.soft_scores(texts, soft, kinds, images, rules=rules)
    return vqa.vqa_scores(texts, references, kinds, images, rules=rules)


def _warnings(scores: Mapping[Path, Score | None]) -> Iterator[str]:
    """Yields lines on missing provenance, and on differences in provenance other than the model."""
    for path, score in scores.items():
        if score is None:
            yield f"no {path.with_name('score.json')}: how these predictions came about is not known"
    known = [score for score in scores.values() if score]
    if len(known) < 2:
        return
    if known[0].step != known[1].step:
        yield f"optimiser steps differ: {known[0].step:,} and {known[1].step:,}"
    one, other = (facts(score.provenance, OWN) for score in known)
    for key in one | other:
        if one.get(key) != other.get(key):
            texts = [plain(key, one.get(key)), plain(key, other.get(key))]
            yield differ(key) + (f": {' and '.join(texts)}" if texts[0] != texts[1] else "")
