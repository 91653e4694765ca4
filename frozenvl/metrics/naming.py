"""Accuracy of naming images, as in open-ended miniImageNet: Frozen's strict rule, and a lenient one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from frozenvl.metrics.accuracy import AccuracyScores, check_answers, named_scores
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError

METRICS = (Metric("strict", "%", main=True), Metric("first_phrase", "%"))
"""Descriptions of these scores."""
_PHRASE_END = re.compile(r"\s*(?:$|\n|[.,;:!?])")


def _without_period(text: str) -> str:
    return text.strip().removesuffix(".").rstrip()


def strict_match(output: str, name: str, ended: bool) -> bool:
    """Applies Frozen's rule: True if the output is exactly the name and the sequence ends there (`ended`).

    Surrounding white space and one trailing period are ignored, in the output and in the name.
    """
    return ended and _without_period(output) == _without_period(name)


def first_phrase_match(output: str, name: str) -> bool:
    """Applies a lenient rule: True if the output's first phrase is the name, whatever follows it.

    The name has to be followed by the end of the text, a new line or a punctuation mark. Case, leading white space
    and a trailing period of the name are ignored.
    """
    text, name = output.lstrip().lower(), _without_period(name).lower()
    return text.startswith(name) and _PHRASE_END.match(text, len(name)) is not None


def naming_scores(
    outputs: Mapping[str, str],
    ended: Mapping[str, bool],
    names: Mapping[str, str],
    images: Mapping[str, str] | None = None,
    partial: bool = False,
) -> AccuracyScores:
    """Computes both accuracies in percent: `strict` and `first_phrase`.

    Args:
        outputs: question id → generated text.
        ended: question id → whether the model ended the text itself, rather than at the length limit.
        names: question id → correct name.
        images: question id → image id, so that intervals resample images with all their questions.
        partial: whether questions without an output are allowed.

    Raises:
        UserError: if there are unknown questions, missing outputs (unless `partial`), questions without a name,
            or outputs without an entry in `ended`.
    """
    check_answers(outputs, {question: [name] if name else [] for question, name in names.items()}, partial)
    if unsure := [question for question in outputs if question not in ended]:
        raise UserError(
            f"for {len(unsure)} outputs it is not recorded whether the sequence ended (first: {unsure[0]!r});"
            " the strict rule needs it"
        )
    strict = {q: 100.0 * strict_match(text, names[q], ended[q]) for q, text in outputs.items()}
    lenient = {q: 100.0 * first_phrase_match(text, names[q]) for q, text in outputs.items()}
    return named_scores({"strict": strict, "first_phrase": lenient}, images)
