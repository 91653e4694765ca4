"""Two sets of predictions for the same queries: how they differ, how surely, and where most."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.metrics.bootstrap import Difference, paired_bootstrap
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.naming import naming_scores
from frozenvl.metrics.vqa import soft_scores, vqa_scores
from frozenvl.report.comparability import differ, facts, plain
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json

OWN = ("model", "trained_weights", "blind", "precision")
"""Circumstances in which two models may differ; in any other the comparison is not of the models alone."""


@dataclass(frozen=True)
class Comparison:
    """B against A on one evaluation."""

    differences: dict[str, Difference]
    a: dict[str, float]
    """A's scores."""
    changed: list[str]
    """Ids of queries, those on which B gained or lost most first."""
    per_query: dict[str, tuple[float, float]]
    """A's and B's score of each query: CIDEr, or accuracy."""
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
    """What is asked and how, as the score beside predictions says; empty where it does not."""
    score = score_of(predictions)
    if "benchmark" not in score or "setting" not in score:
        return ""
    return json.dumps([score["benchmark"], score["setting"], score.get("view")], sort_keys=True)


def score_of(predictions: Path) -> dict[str, Any]:
    """The score.json beside predictions; empty where there is none."""
    file = predictions.with_name("score.json")
    score = read_json(file) if file.is_file() else {}
    return score if isinstance(score, dict) else {}


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
    protocol = score_of(a).get("protocol") or score_of(b).get("protocol")
    if protocol == "naming":
        scored = [_names(rows) for rows in (first, second)]
    elif any(row.get("question") for row in first.values()):
        scored = [{"": _answers(rows)} for rows in (first, second)]
    else:
        scored = [{"": _captions(rows)} for rows in (first, second)]
    each = [_per_query(next(iter(metrics.values()))) for metrics in scored]
    per_query = {key: (each[0][key], each[1][key]) for key in first}
    changed = sorted(per_query, key=lambda key: (-abs(per_query[key][1] - per_query[key][0]), key))
    warnings = _warnings(a.with_name("score.json"), b.with_name("score.json"))
    differences = {
        name or key: change
        for name, metric in scored[0].items()
        for key, change in paired_bootstrap(metric, scored[1][name]).items()
    }
    scores = {
        name or key: value for name, metric in scored[0].items() for key, value in metric.scores.items()
    }
    return Comparison(differences, scores, changed, per_query, (first, second), warnings)


def _per_query(metric: Any) -> dict[str, float]:
    if isinstance(metric, AccuracyScores):
        return metric.per_question
    return {key: row["CIDEr"] for key, row in metric.per_image.items()}


def _captions(rows: dict[str, Any]) -> Any:
    return caption_scores(
        {key: row["text"] for key, row in rows.items()}, {key: row["references"] for key, row in rows.items()}
    )


def _answers(rows: dict[str, Any]) -> AccuracyScores:
    """VQA accuracy; of soft scores, where there are such."""
    texts = {key: row["text"] for key, row in rows.items()}
    kinds = {key: row.get("kind", {}) for key, row in rows.items()}
    if any(row.get("scores") for row in rows.values()):
        soft = {key: row.get("scores") or {"": 0.0} for key, row in rows.items()}
        return soft_scores(texts, soft, kinds, _images(rows))
    return vqa_scores(texts, {key: row["references"] for key, row in rows.items()}, kinds, _images(rows))


def _names(rows: dict[str, Any]) -> dict[str, AccuracyScores]:
    """Both rules of naming; of names that were chosen, and that nothing can follow, the strict one."""
    both = naming_scores(
        {key: row["text"] for key, row in rows.items()},
        {key: row["ended"] for key, row in rows.items() if "ended" in row},
        {key: row["references"][0] for key, row in rows.items()},
        images=_images(rows),
    )
    chosen = all(row.get("candidates") for row in rows.values())
    return {name: metric for name, metric in both.items() if name == "strict" or not chosen}


def _images(rows: dict[str, Any]) -> dict[str, str]:
    return {key: row.get("image_id", key) for key, row in rows.items()}


def _warnings(a: Path, b: Path) -> list[str]:
    """What makes this more, or less, than a comparison of two models."""
    if not (a.is_file() and b.is_file()):
        return [
            f"no {path}: how these predictions came about is not known"
            for path in (a, b)
            if not path.is_file()
        ]
    one, other = (facts(read_json(path).get("circumstances", {}), OWN) for path in (a, b))
    lines = []
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) != other.get(key):
            told = [plain(key, known.get(key)) for known in (one, other)]
            lines.append(differ(key) + (f": {' and '.join(told)}" if told[0] != told[1] else ""))
    return lines
