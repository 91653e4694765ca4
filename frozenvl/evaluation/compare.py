"""Two sets of predictions for the same queries: how they differ, how surely, and where most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.errors import UserError
from frozenvl.files import read_json
from frozenvl.metrics.bootstrap import Difference, paired_bootstrap
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.vqa import vqa_scores
from frozenvl.report.differences import differ, facts, plain

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
    """A's and B's score of each query: CIDEr, or VQA accuracy."""
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


def benchmark_of(predictions: Path) -> str:
    """The benchmark that predictions are of, as the score beside them says; empty where that does not say it."""
    score = predictions.with_name("score.json")
    return str(read_json(score).get("benchmark", "")) if score.is_file() else ""


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
    if any(row.get("question") for row in first.values()):
        scored = [_answers(rows) for rows in (first, second)]
        each = [result.per_question for result in scored]
    else:
        scored = [_captions(rows) for rows in (first, second)]
        each = [{key: row["CIDEr"] for key, row in result.per_image.items()} for result in scored]
    per_query = {key: (each[0][key], each[1][key]) for key in first}
    changed = sorted(per_query, key=lambda key: (-abs(per_query[key][1] - per_query[key][0]), key))
    warnings = _warnings(a.with_name("score.json"), b.with_name("score.json"))
    differences = paired_bootstrap(scored[0], scored[1])
    return Comparison(differences, scored[0].scores, changed, per_query, (first, second), warnings)


def _captions(rows: dict[str, Any]) -> Any:
    return caption_scores(
        {key: row["text"] for key, row in rows.items()}, {key: row["references"] for key, row in rows.items()}
    )


def _answers(rows: dict[str, Any]) -> Any:
    return vqa_scores(
        {key: row["text"] for key, row in rows.items()},
        {key: row["references"] for key, row in rows.items()},
        {key: row.get("kind", {}) for key, row in rows.items()},
        {key: row.get("image_id", key) for key, row in rows.items()},
    )


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
