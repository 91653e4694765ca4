"""METEOR and SPICE, which exist only as Java programs: computed by pycocoevalcap if Java is installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from frozenvl.metrics.captions import check_captions
from frozenvl.metrics.tokenizer import tokenize
from frozenvl.metrics.tokenizers import TokenizerName
from frozenvl.util.errors import UserError

JAVA_METRICS = ("METEOR", "SPICE")

_SPICE_JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


@dataclass(frozen=True)
class JavaScores:
    """Scores of the Java metrics that could be computed, and the reasons for the others."""

    scores: dict[str, float]
    per_image: dict[str, dict[str, float]]
    """Image id → scores, in the order of the candidates; empty if nothing was computed."""
    not_computed: dict[str, str]
    """Metric → reason why it was not computed."""


def why_not(metric: str) -> str | None:
    """Returns the reason why a metric of `JAVA_METRICS` cannot be computed on this machine; None if it can."""
    if metric not in JAVA_METRICS:
        raise UserError(f"unknown metric {metric!r}; those that need Java are {list(JAVA_METRICS)}")
    if shutil.which("java") is None:
        return "no java on PATH"
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None or not package.submodule_search_locations:
        return "pycocoevalcap is not installed"
    folder = Path(next(iter(package.submodule_search_locations)))
    if metric == "METEOR":
        return None if (folder / "meteor/meteor-1.5.jar").is_file() else "pycocoevalcap has no meteor-1.5.jar"
    missing = [name for name in _SPICE_JARS if not (folder / "spice/lib" / name).is_file()]
    # Otherwise pycocoevalcap downloads them (400 MB) in the middle of an evaluation.
    return f"pycocoevalcap's spice/lib has no {' and no '.join(missing)}" if missing else None


def java_scores(
    candidates: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    metrics: Iterable[str] = JAVA_METRICS,
    partial: bool = False,
    tokenizer: TokenizerName = "ptb",
) -> JavaScores:
    """Computes METEOR and SPICE of one caption per image, tokenised as pycocoevalcap does.

    Arguments and errors are those of `captions.caption_scores`. A metric that cannot be computed is listed in
    `not_computed` with the reason: it is never scored 0, and nothing is downloaded for it. Both are for English, so
    neither is computed with another tokenizer than "ptb".
    """
    check_captions(candidates, references, partial)
    reasons = {metric: why_not(metric) for metric in metrics}
    if tokenizer != "ptb":
        reasons = dict.fromkeys(reasons, f"it needs English tokens of ptb, and the tokenizer is {tokenizer}")
    not_computed = {metric: reason for metric, reason in reasons.items() if reason}
    if len(not_computed) == len(reasons):
        return JavaScores({}, {}, not_computed)
    images = list(candidates)
    captions = {image: [" ".join(tokenize(candidates[image]))] for image in images}
    truth = {image: [" ".join(tokenize(text)) for text in references[image]] for image in images}
    scores: dict[str, float] = {}
    per_image: dict[str, dict[str, float]] = {image: {} for image in images}
    for metric in [name for name in reasons if name not in not_computed]:
        try:
            compute = _meteor if metric == "METEOR" else _spice
            scores[metric], values = compute(truth, captions)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            not_computed[metric] = f"its Java program failed: {error}"
            continue
        for image, value in zip(images, values, strict=True):
            per_image[image][metric] = value
    return JavaScores(scores, per_image if scores else {}, not_computed)


def _meteor(truth: dict[str, list[str]], captions: dict[str, list[str]]) -> tuple[float, list[float]]:
    from pycocoevalcap.meteor.meteor import Meteor

    score, values = Meteor().compute_score(truth, captions)
    return float(score), [float(value) for value in values]


def _spice(truth: dict[str, list[str]], captions: dict[str, list[str]]) -> tuple[float, list[float]]:
    from pycocoevalcap.spice.spice import Spice

    score, details = Spice().compute_score(truth, captions)
    in_order = dict(zip(sorted(truth), (float(detail["All"]["f"]) for detail in details), strict=True))
    return float(score), [in_order[image] for image in truth]
