"""Mean accuracy over questions, overall and by group, with intervals that resample images."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.util.errors import UserError

Groups = Mapping[str, Mapping[str, str]]
"""Question id → kind of group → its group: {"262148000": {"answer_type": "other"}}."""


@dataclass(frozen=True)
class AccuracyScores:
    """Accuracies in percent."""

    scores: dict[str, float]
    """`overall`, and one for each group: `answer_type/yes/no`, `question_type/how many`."""
    per_question: dict[str, float]
    """Question id → accuracy in percent."""
    units: list[str] = field(repr=False)
    """What intervals resample: image ids, or question ids where the images are not known."""
    sums: dict[str, np.ndarray] = field(repr=False)
    """For each score (units, 2): sum of the accuracies of the unit's questions, and their number."""

    @property
    def per_query(self) -> dict[str, float]:
        """Question id → accuracy in percent."""
        return self.per_question

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Every score, as (samples,), where unit j counts `weights[i, j]` times in sample i.

        A group that no drawn image has a question of is not a number (nan).
        """
        with np.errstate(invalid="ignore"):
            return {name: np.divide(*(weights @ sums).T) for name, sums in self.sums.items()}

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Bootstrap percentile intervals (low, high) of every score, over images with their questions."""
        return bootstrap.intervals(self, confidence, samples, seed)


def accuracy_scores(
    per_question: Mapping[str, float], groups: Groups | None = None, images: Mapping[str, str] | None = None
) -> AccuracyScores:
    """Overall and group means of accuracies that are known for each question.

    Args:
        per_question: question id → accuracy in percent.
        groups: the groups of each question. An empty group name means none.
        images: question id → image id, for intervals that keep an image's questions together.

    Raises:
        UserError: no questions, or a question without its image or groups.
    """
    if not per_question:
        raise UserError("no questions to score: the results are empty")
    for what, known in (("group", groups), ("image", images)):
        if known is not None and (
            missing := [question for question in per_question if question not in known]
        ):
            raise UserError(
                f"{len(missing)} questions have no {what} (first: {missing[0]!r});"
                " check that questions and results belong together"
            )
    unit_of = {question: images[question] if images else question for question in per_question}
    row = {unit: index for index, unit in enumerate(dict.fromkeys(unit_of.values()))}
    sums: dict[str, np.ndarray] = {"overall": np.zeros((len(row), 2))}
    for question, accuracy in per_question.items():
        names = ["overall"]
        if groups:
            names += [f"{kind}/{group}" for kind, group in groups[question].items() if group]
        for name in names:
            if name not in sums:
                sums[name] = np.zeros((len(row), 2))
            sums[name][row[unit_of[question]]] += accuracy, 1
    totals = {name: both.sum(axis=0) for name, both in sums.items()}
    scores = {name: float(total / count) for name, (total, count) in totals.items()}
    return AccuracyScores(scores, dict(per_question), list(row), sums)


def named_scores(
    accuracies: Mapping[str, Mapping[str, float]], images: Mapping[str, str] | None = None
) -> AccuracyScores:
    """Means of several accuracies of the same questions, such as by a strict and by a lenient rule.

    Args:
        accuracies: name of the score → question id → accuracy in percent. `per_question` is that of the first.
        images: question id → image id, for intervals that keep an image's questions together.
    """
    found = {name: accuracy_scores(values, images=images) for name, values in accuracies.items()}
    first = next(iter(found.values()))
    return AccuracyScores(
        {name: each.scores["overall"] for name, each in found.items()},
        first.per_question,
        first.units,
        {name: each.sums["overall"] for name, each in found.items()},
    )


def check_answers(
    predictions: Mapping[str, str], answers: Mapping[str, Sized], partial: bool = False
) -> None:
    """Raise `UserError` unless there is one predicted answer, as text, for each question with answers.

    With `partial`, questions without a prediction are allowed.
    """
    if not predictions:
        raise UserError("no answers to score: the results are empty")
    if unknown := [question for question in predictions if question not in answers]:
        raise UserError(
            f"{len(unknown)} of {len(predictions)} results are for unknown questions (first: {unknown[0]!r});"
            " check that results and annotations belong together"
        )
    missing = [question for question in answers if question not in predictions]
    if missing and not partial:
        raise UserError(
            f"{len(missing)} of {len(answers)} questions have no result (first: {missing[0]!r});"
            " answer them, or ask for a partial score"
        )
    for question, prediction in predictions.items():
        if not isinstance(prediction, str):
            raise UserError(f"the answer to question {question!r} is not text; write numbers as text too")
        if isinstance(answers[question], str) or not answers[question]:
            raise UserError(
                f"question {question!r} has no list of annotated answers; add them, or leave it out"
            )
