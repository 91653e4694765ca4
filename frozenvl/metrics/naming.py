"""Naming an image (open-ended miniImageNet and its kin): Frozen's strict rule, and a lenient one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from frozenvl.metrics.accuracy import AccuracyScores, check_answers, named_scores
from frozenvl.metrics.metric import Metric
from frozenvl.util.errors import UserError

METRICS = (Metric("strict", "%", main=True), Metric("first_phrase", "%"))
_PHRASE_END = re.compile(r"\s*(?:$|\n|[.,;:!?])")


def _without_period(text: str) -> str:
    return text.strip().removesuffix(".").rstrip()


def strict_match(output: str, name: str, ended: bool) -> bool:
    """Frozen's rule: exactly the name, and then the end of the sequence (`ended`).

    One trailing period is not counted, on either side, nor is white space around.
    """
    return ended and _without_period(output) == _without_period(name)


def first_phrase_match(output: str, name: str) -> bool:
    """Whether the output's first phrase is the name, whatever follows.

    The name has to be followed by the end, a new line or a mark of punctuation. Case, a trailing period of
    the name and white space in front do not count.
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
    """Both accuracies in percent: `strict` and `first_phrase`.

    Args:
        outputs: question id → generated text.
        ended: question id → whether the model ended the sequence there by itself.
        names: question id → the right name.
        images, partial: as for `vqa.vqa_scores`.

    Raises:
        UserError: unknown questions, missing outputs (unless `partial`), questions without a name, outputs of
            which it is not known whether they ended.
    """
    check_answers(outputs, {question: [name] if name else [] for question, name in names.items()}, partial)
    if unsure := [question for question in outputs if question not in ended]:
        raise UserError(
            f"of {len(unsure)} outputs it is not recorded whether the sequence ended (first: {unsure[0]!r});"
            " the strict rule needs it"
        )
    strict = {q: 100.0 * strict_match(text, names[q], ended[q]) for q, text in outputs.items()}
    lenient = {q: 100.0 * first_phrase_match(text, names[q]) for q, text in outputs.items()}
    return named_scores({"strict": strict, "first_phrase": lenient}, images)
