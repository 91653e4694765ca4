"""Score files like those of evaluations, for tests that read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from frozenvl.evaluation.score_file import Score, write_score
from frozenvl.metrics import captions, naming, vqa
from frozenvl.metrics.metric import Metric

LOSSES = (
    Metric("perplexity", digits=2, better="lower", main=True),
    Metric("bits_per_byte", digits=3, better="lower"),
    Metric("loss", digits=3, better="lower", shown=False),
)
FAMILIES = {"captions": captions.METRICS, "naming": naming.METRICS, "vqa": vqa.METRICS, "perplexity": LOSSES}


def score_of(name: str, scores: dict[str, float], **keys: Any) -> Score:
    """Makes a score; its metrics are those of the benchmark with such scores, or plain ones."""
    protocol, metrics = next(
        (
            (protocol, metrics)
            for protocol, metrics in FAMILIES.items()
            if any(metric.main and metric.name in scores for metric in metrics)
        ),
        ("own", (Metric(next(iter(scores)), main=True),)),
    )
    known = {
        "name": name,
        "benchmark": name,
        "protocol": protocol,
        "metrics": metrics,
        "setting": {},
        "view": "seeing",
        "scores": scores,
        "intervals": {},
        "baselines": {},
        "samples": 261,
        "of": 261,
        "partial": False,
        "unreadable": 0,
        "step": 1500,
        "fingerprint": "",
        "supervised_encoder": "",
        "provenance": {},
    }
    return Score(**known | keys)


def chosen(score: Score) -> Score:
    """Returns the score as for answers chosen from candidates: tables show only the main metric."""
    return replace(score, metrics=tuple(replace(metric, shown=metric.main) for metric in score.metrics))


def write(run: Path, score: Score) -> Path:
    """Writes a score into its run; returns the evaluation's folder."""
    folder = run / "evaluation" / score.name
    write_score(folder / "score.json", score)
    return folder
