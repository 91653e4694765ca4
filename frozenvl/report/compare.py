"""Two sets of predictions for the same queries: how they differ, how surely, and where most."""

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
"""Keys of a provenance in which two models may differ; with another one the comparison is not of the models alone."""


@dataclass(frozen=True)
class Comparison:
    """B against A on one evaluation."""

    differences: dict[str, Difference]
    metrics: Sequence[Metric]
    a: dict[str, float]
    """A's scores."""
    changed: list[str]
    """Ids of queries, those on which B gained or lost most first."""
    per_query: dict[str, tuple[float, float]]
    """A's and B's score of each query."""
    records: tuple[dict[str, Any], dict[str, Any]]
    warnings: list[str]


def read_predictions(path: Path) -> dict[str, dict[str, Any]]:
    """A predictions.jsonl by query id."""
    rows = {str(row.get("id")): row for row in read_json(path)}
    if not rows or not all({"text", "references"} <= row.keys() for row in rows.values()):
        raise UserError(f"{path}: not a predictions.jsonl: each line needs id, text and references")
    return rows


def evaluations(path: Path) -> dict[str, Path]:
    """The predictions below a run's folder by evaluation, or the one file that is named.

    Raises:
        UserError: where there are none.
    """
    if path.is_file():
        return {"": path}
    found = {file.parent.name: file for file in sorted(path.glob("evaluation/*/predictions.jsonl"))}
    if not found:
        raise UserError(f"{path}: no such file, nor a run's folder with evaluation/*/predictions.jsonl")
    return found


def matched(first: Mapping[str, Path], second: Mapping[str, Path]) -> dict[str, tuple[Path, Path]]:
    """The evaluations that two runs have in common: those of one name, then those that ask the same in the same way."""
    found = {name: (path, second[name]) for name, path in first.items() if name in second}
    others = {asked: path for name, path in second.items() if name not in first and (asked := _asked(path))}
    for name, path in first.items():
        if name not in second and (asked := _asked(path)) in others:
            found[name] = path, others.pop(asked)
    return found


def _asked(predictions: Path) -> str:
    """Benchmark, setting and view of predictions, as the score beside them says; empty where there is none."""
    score = score_of(predictions)
    return json.dumps([score.benchmark, score.setting, score.view], sort_keys=True) if score else ""


def score_of(predictions: Path) -> Score | None:
    """The score beside predictions; none where there is no such file."""
    file = predictions.with_name("score.json")
    return read_score(file) if file.is_file() else None


def compare(a: Path, b: Path) -> Comparison:
    """Scores two predictions.jsonl of the same queries on the same resampled images.

    Raises:
        UserError: where they are not about the same queries.
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
    # Nothing can follow an answer that was chosen, so that a lenient rule says what the main one does.
    needless = {metric.name for metric in metrics if chosen and not metric.main}
    changes = paired_bootstrap(one, other)
    differences = {key: change for key, change in changes.items() if key not in needless}
    per_query = {key: (one.per_query[key], other.per_query[key]) for key in first}
    changed = sorted(per_query, key=lambda key: (-abs(per_query[key][1] - per_query[key][0]), key))
    warnings = list(_warnings(a, b))
    return Comparison(differences, metrics, one.scores, changed, per_query, (first, second), warnings)


def _captions(rows: dict[str, Any]) -> CaptionScores:
    return caption_scores(_column(rows, "text"), _column(rows, "references"))


def _answers(rows: dict[str, Any]) -> AccuracyScores:
    """VQA accuracy; of soft scores, where there are such."""
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
"""Protocol → how its predictions are scored again, and its metrics."""


def _column(rows: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: row[key] for name, row in rows.items()}


def _images(rows: dict[str, Any]) -> dict[str, str]:
    return {key: row.get("image_id", key) for key, row in rows.items()}


def _warnings(a: Path, b: Path) -> Iterator[str]:
    """What makes this more, or less, than a comparison of two models."""
    scores = {path.with_name("score.json"): score_of(path) for path in (a, b)}
    missing = [path for path, score in scores.items() if score is None]
    yield from (f"no {path}: how these predictions came about is not known" for path in missing)
    known = [facts(score.provenance, OWN) for score in scores.values() if score]
    if missing or len(known) < 2:
        return
    for key in dict.fromkeys(key for own in known for key in own):
        told = [plain(key, own.get(key)) for own in known]
        if known[0].get(key) != known[1].get(key):
            yield differ(key) + (f": {' and '.join(told)}" if told[0] != told[1] else "")
