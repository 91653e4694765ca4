"""How the predictions of each protocol are scored again, for the comparison of two sets of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from frozenvl.metrics import captions, rescored, rescored_vectors, vqa
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.rescored import Facts, Rescored, Rows
from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class Rescoring:
    """Way to score the predictions of a protocol again."""

    score: Callable[[Rows, Facts], Rescored]
    needs: tuple[str, ...] = ()
    """Keys of the provenance without which predictions cannot be scored."""
    shared: tuple[str, ...] = ()
    """Keys of the provenance that two sets are scored with alike: the values of the first count for both."""
    metrics: Sequence[Metric] = ()
    """Descriptions of the scores, for predictions without a score.json; () if they are never scored without one."""


LABELS = ("labels", "by", "templates")
PROTOCOLS = {
    "captions": Rescoring(rescored.captions, shared=("metrics_tokenizer",), metrics=captions.METRICS),
    "object_captions": Rescoring(
        rescored.object_captions, ("attributes", "nouns"), ("metrics_tokenizer", "attributes", "nouns")
    ),
    "vqa": Rescoring(rescored.answers, shared=("normalisation",), metrics=vqa.METRICS),
    "fast_vqa": Rescoring(rescored.answers, shared=("normalisation",)),
    "naming": Rescoring(rescored.names),
    "matching": Rescoring(rescored.choices),
    "dialogue_ranking": Rescoring(rescored.ranked_replies),
    "dialogue_generation": Rescoring(
        rescored.replies, ("scored_as",), ("scored_as", "normalisation", "metrics_tokenizer")
    ),
    "retrieval": Rescoring(rescored_vectors.retrieval),
    "zero_shot": Rescoring(rescored_vectors.classification, LABELS),
    "tagging": Rescoring(rescored_vectors.tags, (*LABELS, "min_captions", "k"), ("min_captions", "k")),
}
"""Protocol of a benchmark → how its predictions are scored again."""


def protocol_of(rows: Rows) -> str:
    """Returns the protocol of predictions without a score.json: of questions if there are any, or else of captions.

    Raises:
        UserError: if they are embeddings, or choices without a question, which are scored in several ways.
    """
    if any(row.get("question") for row in rows.values()):
        return "vqa"
    if any("vector" in row or "candidates" in row for row in rows.values()):
        raise UserError("no score.json stands beside it, which says how embeddings and choices are scored")
    return "captions"


def rescoring_of(protocol: str) -> Rescoring:
    """Returns how the predictions of a protocol are scored again. Raises `UserError` if that is not known."""
    if protocol not in PROTOCOLS:
        raise UserError(
            f"predictions of {protocol!r} are not compared; only those of {', '.join(PROTOCOLS)} are"
        )
    return PROTOCOLS[protocol]


def rescore(how: Rescoring, rows: Rows, facts: Facts) -> Rescored:
    """Scores predictions again.

    Raises:
        UserError: if the provenance lacks a value that this needs, as in files of older versions, or scores cannot be
            computed.
    """
    if missing := [key for key in how.needs if key not in facts]:
        raise UserError(
            f"its score.json does not record {', '.join(missing)}; evaluate the run again (its answers are reused)"
        )
    return how.score(rows, facts)
