"""Paired comparison of two sets of predictions for the same queries: differences, intervals, p, changed queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.evaluation.score_file import Score, read_score
from frozenvl.metrics.bootstrap import Difference, paired_bootstrap
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.rescored import Rows
from frozenvl.metrics.rescoring import protocol_of, rescore, rescoring_of
from frozenvl.report.comparability import differ, facts, plain
from frozenvl.report.load import same_setting
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
    """Ids of all queries, or of all examples if queries are scored jointly, sorted by |B - A|, largest first."""
    per_query: dict[str, tuple[float, float]]
    """Id of a query or an example → score of A and of B on it."""
    records: tuple[Rows, Rows]
    """Predictions of A and of B: id of a query or an example → `text` and `references`, and perhaps `question`."""
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

    Both are scored with the tokenizer and the rules of A, or of B if A has no score.json. A warning says if they
    differ.

    Raises:
        UserError: if they have different queries, a protocol without a scorer, or lack what the scorer needs.
    """
    first, second = read_predictions(a), read_predictions(b)
    scores = {path: score_of(path) for path in (a, b)}
    known = next((score for score in scores.values() if score), None)
    with _named(a):
        how = rescoring_of(known.protocol if known else protocol_of(first))
    sides = []
    for path, rows in ((a, first), (b, second)):
        with _named(path):
            sides.append(rescore(how, rows, _facts(scores[path] or known, known, how.shared)))
    one, other = sides
    if one.asked != other.asked:
        only = sorted(set(one.asked) ^ set(other.asked))
        raise UserError(
            f"{a} and {b}: {len(only)} queries stand in one only (first: {only[0]}); compare like with like"
        )
    redundant = set(one.redundant) & set(other.redundant)
    changes = paired_bootstrap(one.result, other.result)
    differences = {key: change for key, change in changes.items() if key not in redundant}
    per_query = {key: (value, other.per_query[key]) for key, value in one.per_query.items()}
    changed = sorted(per_query, key=lambda key: (-abs(per_query[key][1] - per_query[key][0]), key))
    metrics = known.metrics if known else how.metrics
    warnings = list(_warnings(scores))
    return Comparison(
        differences, metrics, one.result.scores, changed, per_query, (one.shown, other.shown), warnings
    )


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Puts the name of a file before the message of a `UserError`."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file}: {error}") from None


def _facts(own: Score | None, known: Score | None, shared: Sequence[str]) -> dict[str, Any]:
    """Returns the provenance of a score, with the shared values of the first known one."""
    if own is None or known is None:
        return {}
    common = {key: known.provenance[key] for key in shared if key in known.provenance}
    return {**own.provenance, **common, "partial": own.partial}


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
