"""score.json: the scores of an evaluation, and what they depend on. One schema, one writer, one reader; no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from frozenvl.metrics.metric import Metric, main_of, metric_of
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, write_atomically

SCHEMA = 2
LOSSES = "perplexity"
"""Name of the evaluation that keeps the losses of the validation pairs, which are logged below `val/`."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The content of a score.json."""

    name: str
    """Name of the evaluation, and of its folder."""
    benchmark: str
    protocol: str
    """Kind of the benchmark, such as "vqa"."""
    metrics: tuple[Metric, ...]
    setting: dict[str, Any]
    """Shots, ways, seed, induction …"""
    view: str
    """How images were shown."""
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    """Score → (low, high) of its 95 % interval."""
    baselines: dict[str, float]
    """Scores without a model, on the scale of the main score."""
    samples: int
    """Number of queries that were answered."""
    of: int
    """Number of queries that there are."""
    partial: bool
    unreadable: int
    """Number of queries with an image that cannot be read."""
    step: int
    fingerprint: str
    """Hash of all that the predictions depend on."""
    supervised_encoder: str
    """A note on an encoder that was trained with labels on the benchmark's classes; else empty."""
    provenance: dict[str, Any]
    """Model, wording, decoding, versions: without them a number cannot be reproduced."""

    @property
    def main(self) -> str:
        """Name of the main score."""
        return main_of(self.metrics).name

    @property
    def shown(self) -> list[str]:
        """Names of the scores that tables show, the main one first."""
        listed = sorted(self.metrics, key=lambda metric: not metric.main)
        return [metric.name for metric in listed if metric.shown and metric.name in self.scores]

    def metric(self, score: str) -> Metric:
        """The description of one of the scores."""
        return metric_of(score, self.metrics)


def score_files(run: Path) -> list[Path]:
    """The score.json files of a run's evaluations."""
    return sorted(run.glob("evaluation/*/score.json"))


def write_score(file: Path, score: Score) -> None:
    content = {"schema": SCHEMA} | asdict(score)
    write_atomically(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_score(file: Path) -> Score:
    """Reads a score.json.

    Raises:
        UserError: no such file, another schema, or damaged content.
    """
    content = read_json(file)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(f"{file}: not a score.json of schema {SCHEMA}; validate or evaluate the run again")
    try:
        return _score({field.name: content[field.name] for field in fields(Score)})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"missing {error}" if isinstance(error, KeyError) else error
        raise UserError(
            f"{file}: a damaged score.json ({reason}); validate or evaluate the run again"
        ) from None


def _score(content: dict[str, Any]) -> Score:
    numbers = {
        key: {str(name): float(value) for name, value in content[key].items()}
        for key in ("scores", "baselines")
    }
    ends = {str(name): (float(low), float(high)) for name, (low, high) in content["intervals"].items()}
    mappings = {key: dict(content[key]) for key in ("setting", "provenance")}
    metrics = tuple(Metric(**metric) for metric in content["metrics"])
    score = Score(**content | numbers | mappings | {"intervals": ends, "metrics": metrics})
    if not score.scores:
        raise ValueError("it has no scores")
    if score.main not in score.scores:
        raise ValueError(f"its main score {score.main!r} is not among its scores")
    return score
