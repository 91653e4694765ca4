"""Paired comparison of two sets of predictions for the same queries: differences, intervals, p, changed queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.evaluation.score_file import Score, read_score
from frozenvl.metrics import captions, naming, vqa
from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.metrics.bootstrap import Difference, paired_bootstrap
from frozenvl.metrics.captions import CaptionScores, caption_scores
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.naming import naming_scores
from frozenvl.metrics.vqa import soft_scores, vqa_scores
from frozenvl.report.comparability import differ, facts, plain
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json

OWN = ("model", "trained_weights", "blind", "precision")
"""Keys of a provenance in which two models may differ. A difference in another key is a warning."""


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
    """Finds the predictions.jsonl of a run's evaluations.

    Args:
        path: folder of a run, or a predictions.jsonl.

    Returns:
        Name of the evaluation → file; for a file, "" → file.

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

    Args:
        first: predictions of A by evaluation.
        second: predictions of B by evaluation.

    Returns:
        Name of A's evaluation → file of A, file of B.
    """
    pairs = {name: (path, second[name]) for name, path in first.items() if name in second}
    others = {key: path for name, path in second.items() if name not in first and (key := _task_key(path))}
    for name, path in first.items():
        if name not in second and (key := _task_key(path)) in others:
            pairs[name] = path, others.pop(key)
    return pairs


def _task_key(predictions: Path) -> str:
    """Returns benchmark, setting and view of predictions as one text; empty if there is no score.json beside them."""
    score = score_of(predictions)
    return json.dumps([score.benchmark, score.setting, score.view], sort_keys=True) if score else ""


def score_of(predictions: Path) -> Score | None:
    """Reads the score.json in the folder of a predictions.jsonl; None if there is none."""
    file = predictions.with_name("score.json")
    return read_score(file) if file.is_file() else None


def compare(a: Path, b: Path) -> Comparison:
    """Scores two predictions.jsonl of the same queries and bootstraps their differences over images.

    Args:
        a: predictions.jsonl of A.
        b: predictions.jsonl of B.

    Raises:
        UserError: if they have different queries, or a protocol without a scorer.
    """
    first, second = read_predictions(a), read_predictions(b)
    if first.keys() != second.keys():
        only = sorted(first.keys() ^ second.keys())
        raise UserError(
            f"{a} and {b}: {len(only)} queries stand in one only (first: {only[0]}); compare like with like"
        )
    scores = [score_of(path) for path in (a, b)]
    protocol = next((score.protocol for score in scores if score), "")
    if not protocol:
        protocol = "vqa" if any(row.get("question") for row in first.values()) else "captions"
    if protocol not in SCORERS:
        raise UserError(
            f"{a}: predictions of {protocol!r} are not compared; only those of {', '.join(SCORERS)} are"
        )
    scorer, metrics = SCORERS[protocol]
    one, other = scorer(first), scorer(second)
    chosen = all(row.get("candidates") for rows in (first, second) for row in rows.values())
    # No text can follow an answer that was chosen among candidates, so lenient metrics equal the main one.
    redundant = {metric.name for metric in metrics if chosen and not metric.main}
    changes = paired_bootstrap(one, other)
    differences = {key: change for key, change in changes.items() if key not in redundant}
    per_query = {key: (one.per_query[key], other.per_query[key]) for key in first}
    changed = sorted(per_query, key=lambda key: (-abs(per_query[key][1] - per_query[key][0]), key))
    warnings = list(_warnings(a, b))
    return Comparison(differences, metrics, one.scores, changed, per_query, (first, second), warnings)


def _captions(rows: dict[str, Any]) -> CaptionScores:
    return caption_scores(_column(rows, "text"), _column(rows, "references"))


def _answers(rows: dict[str, Any]) -> AccuracyScores:
    """Scores answers by VQA accuracy, or by soft scores if the rows have them."""
    texts, images = _column(rows, "text"), _images(rows)
    kinds = {key: row.get("kind", {}) for key, row in rows.items()}
    if any(row.get("scores") for row in rows.values()):
        soft = {key: row.get("scores") or {"": 0.0} for key, row in rows.items()}
        return soft_scores(texts, soft, kinds, images)
    return vqa_scores(texts, _column(rows, "references"), kinds, images)


def _names(rows: dict[str, Any]) -> AccuracyScores:
    ended = {key: row["ended"] for key, row in rows.items() if "ended" in row}
    names = {key: row["references"][0] for key, row in rows.items()}
    return naming_scores(_column(rows, "text"), ended, names, _images(rows))


SCORERS: dict[str, tuple[Callable[[dict[str, Any]], Any], Sequence[Metric]]] = {
    "captions": (_captions, captions.METRICS),
    "vqa": (_answers, vqa.METRICS),
    "fast_vqa": (_answers, vqa.METRICS),
    "naming": (_names, naming.METRICS),
}
"""Protocol → function that scores its predictions, and its metrics."""


def _column(rows: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: row[key] for name, row in rows.items()}


def _images(rows: dict[str, Any]) -> dict[str, str]:
    return {key: row.get("image_id", key) for key, row in rows.items()}


def _warnings(a: Path, b: Path) -> Iterator[str]:
    """Yields lines on missing provenance, and on differences in provenance other than the model."""
    scores = {path.with_name("score.json"): score_of(path) for path in (a, b)}
    missing = [path for path, score in scores.items() if score is None]
    yield from (f"no {path}: how these predictions came about is not known" for path in missing)
    provenances = [facts(score.provenance, OWN) for score in scores.values() if score]
    if missing or len(provenances) < 2:
        return
    steps = [score.step for score in scores.values() if score]
    if steps[0] != steps[1]:
        yield f"optimiser steps differ: {steps[0]:,} and {steps[1]:,}"
    for key in dict.fromkeys(key for provenance in provenances for key in provenance):
        texts = [plain(key, provenance.get(key)) for provenance in provenances]
        if provenances[0].get(key) != provenances[1].get(key):
            yield differ(key) + (f": {' and '.join(texts)}" if texts[0] != texts[1] else "")
