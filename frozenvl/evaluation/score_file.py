"""The score.json file of an evaluation: its schema, writer and reader. No torch here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from frozenvl.metrics.metric import Metric, main_of, metric_of
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, write_atomically

SCHEMA = 2
"""Version of the file format."""
LOSSES = "perplexity"
"""Name of the evaluation that holds the losses on the validation pairs. They are logged as `val/...`."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Content of a score.json."""

    name: str
    """Name of the evaluation and of its folder."""
    benchmark: str
    """Name of the benchmark."""
    protocol: str
    """Kind of the benchmark, such as "vqa"."""
    metrics: tuple[Metric, ...]
    """Descriptions of the scores."""
    setting: dict[str, Any]
    """Values of the setting: shots, ways, seed, induction, …"""
    view: str
    """How images were shown: "seeing", "test-blind" or "text-only"."""
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    """Score name → (low, high) of its 95 % interval."""
    baselines: dict[str, float]
    """Scores that need no model, such as chance, on the scale of the main score."""
    samples: int
    """Number of answered queries."""
    of: int
    """Number of queries in the setting."""
    partial: bool
    """True if only some of the queries were answered (`--limit`)."""
    unreadable: int
    """Number of answered queries whose prompt could not be read."""
    step: int
    """Number of optimiser steps that the model was trained for."""
    fingerprint: str
    """Hash of everything that the predictions depend on."""
    supervised_encoder: str
    """Note about an encoder that was trained with labels of the benchmark's classes; empty if there is none."""
    provenance: dict[str, Any]
    """Everything needed to reproduce the scores: model, wording, decoding, versions, …"""
    notes: list[str] = field(default_factory=list)
    """Remarks that matter when reading the scores, one line each."""

    @property
    def main(self) -> str:
        """Name of the main score."""
        return main_of(self.metrics).name

    @property
    def shown(self) -> list[str]:
        """Names of the scores that tables show, the main score first."""
        listed = sorted(self.metrics, key=lambda metric: not metric.main)
        return [metric.name for metric in listed if metric.shown and metric.name in self.scores]

    def metric(self, score: str) -> Metric:
        """Returns the description of one of the scores."""
        return metric_of(score, self.metrics)


def score_files(run: Path) -> list[Path]:
    """Returns the score.json files of a run's evaluations."""
    return sorted(run.glob("evaluation/*/score.json"))


def write_score(file: Path, score: Score) -> None:
    """Writes a score.json."""
    content = {"schema": SCHEMA} | asdict(score)
    write_atomically(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_score(file: Path) -> Score:
    """Reads a score.json.

    Raises:
        UserError: if the file is missing or damaged, or has another schema.
    """
    content = read_json(file)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(f"{file}: not a score.json of schema {SCHEMA}; validate or evaluate the run again")
    content = {"notes": []} | content  # older files have none
    try:
        return _score({known.name: content[known.name] for known in fields(Score)})
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
    bounds = {str(name): (float(low), float(high)) for name, (low, high) in content["intervals"].items()}
    mappings = {key: dict(content[key]) for key in ("setting", "provenance")}
    metrics = tuple(Metric(**metric) for metric in content["metrics"])
    notes = [str(note) for note in content["notes"]]
    score = Score(**content | numbers | mappings | {"intervals": bounds, "metrics": metrics, "notes": notes})
    if not score.scores:
        raise ValueError("it has no scores")
    if score.main not in score.scores:
        raise ValueError(f"its main score {score.main!r} is not among its scores")
    return score
