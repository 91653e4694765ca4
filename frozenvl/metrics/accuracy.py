"""Mean accuracy over questions, overall and by group, with bootstrap intervals that resample images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.util.errors import UserError

Groups = Mapping[str, Mapping[str, str]]
"""Groups of each question: question id → kind → group, like {"262148000": {"answer_type": "other"}}."""


@dataclass(frozen=True)
class AccuracyScores:
    """Accuracies in percent, overall, by group and by question."""

    scores: dict[str, float]
    """Score `overall`, and one for each group, such as `answer_type/yes/no` or `question_type/how many`."""
    per_question: dict[str, float]
    """Question id → accuracy in percent."""
    units: list[str] = field(repr=False)
    """Ids that intervals resample: of images, or of questions if the images are not known."""
    sums: dict[str, np.ndarray] = field(repr=False)
    """Score name → (units, 2): sum of the accuracies of each unit's questions, and their number."""
    notes: list[str] = field(default_factory=list)
    """Remarks that matter when reading the scores, one line each."""

    @property
    def per_query(self) -> dict[str, float]:
        """Question id → accuracy in percent."""
        return self.per_question

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, unit j counts `weights[i, j]` times.

        A group without questions in a sample is nan there.
        """
        with np.errstate(invalid="ignore"):
            if all((sums == np.rint(sums)).all() for sums in self.sums.values()):
                # Sums of whole numbers are exact in any order, so all groups can share one pass over the weights.
                totals = weights @ np.concatenate([*self.sums.values()], axis=1)
                return {
                    name: np.divide(totals[:, 2 * at], totals[:, 2 * at + 1])
                    for at, name in enumerate(self.sums)
                }
            return {name: np.divide(*(weights @ sums).T) for name, sums in self.sums.items()}

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples `units`."""
        return bootstrap.intervals(self, confidence, samples, seed)


def accuracy_scores(
    per_question: Mapping[str, float], groups: Groups | None = None, images: Mapping[str, str] | None = None
) -> AccuracyScores:
    """Averages accuracies over all questions and over each group.

    Args:
        per_question: question id → accuracy in percent.
        groups: groups of each question. An empty group name means no group.
        images: question id → image id, so that intervals resample images with all their questions.

    Raises:
        UserError: if there are no questions, or a question has no image or groups.
    """
    if not per_question:
        raise UserError("no questions to score: the results are empty")
    for what, table in (("group", groups), ("image", images)):
        if table is not None and (
            missing := [question for question in per_question if question not in table]
        ):
            raise UserError(
                f"{len(missing)} questions have no {what} (first: {missing[0]!r});"
                " check that questions and results belong together"
            )
    row: dict[str, int] = {}
    unit_of = np.empty(len(per_question), np.int64)
    members: dict[str, list[int]] = {}
    for place, question in enumerate(per_question):
        unit_of[place] = row.setdefault(images[question] if images else question, len(row))
        for kind, group in groups[question].items() if groups else ():
            if group:
                members.setdefault(f"{kind}/{group}", []).append(place)
    accuracies = np.fromiter(per_question.values(), float, len(per_question))
    sums = {"overall": _sums(unit_of, accuracies, len(row))}
    for name in numbered(members):
        places = members[name]
        sums[name] = _sums(unit_of[places], accuracies[places], len(row))
    totals = {name: both.sum(axis=0) for name, both in sums.items()}
    scores = {name: float(total / count) for name, (total, count) in totals.items()}
    return AccuracyScores(scores, dict(per_question), list(row), sums)


def numbered(names: Iterable[str]) -> list[str]:
    """Returns names of groups, `KIND/GROUP`, in their order, but groups that are numbers, such as rounds, by number."""
    kept, waiting = list(names), defaultdict[str, list[str]](list)
    for name in kept:
        kind, _, group = name.rpartition("/")
        if group.isdecimal():
            waiting[kind].append(name)
    for numbers in waiting.values():
        numbers.sort(key=lambda name: int(name.rpartition("/")[2]), reverse=True)
    return [
        waiting[name.rpartition("/")[0]].pop() if name.rpartition("/")[2].isdecimal() else name
        for name in kept
    ]


def _sums(units: np.ndarray, accuracies: np.ndarray, count: int) -> np.ndarray:
    """Returns (count, 2): sum of the accuracies of each unit's questions, and their number."""
    sums = np.bincount(units, accuracies, count)
    return np.stack([sums, np.bincount(units, minlength=count)], axis=1)


def named_scores(
    accuracies: Mapping[str, Mapping[str, float]], images: Mapping[str, str] | None = None
) -> AccuracyScores:
    """Averages several accuracies of the same questions, such as a strict and a lenient one.

    Args:
        accuracies: score name → question id → accuracy in percent. The first score becomes `per_question`.
        images: question id → image id, so that intervals resample images with all their questions.
    """
    results = {name: accuracy_scores(values, images=images) for name, values in accuracies.items()}
    first = next(iter(results.values()))
    return AccuracyScores(
        {name: result.scores["overall"] for name, result in results.items()},
        first.per_question,
        first.units,
        {name: result.sums["overall"] for name, result in results.items()},
    )


def check_answers(
    predictions: Mapping[str, str], answers: Mapping[str, Sized], partial: bool = False
) -> None:
    """Raises `UserError` unless each question has a list of answers and one prediction, as text.

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
