"""Metrics of visual question answering: VQA v2 accuracy, exact match and soft scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from frozenvl.metrics.accuracy import AccuracyScores, Groups, accuracy_scores, check_answers
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.vqa_rules import RULES, RuleName, rules_of, trimmed

METRICS = (Metric("overall", "%", main=True),)
"""Descriptions of these scores. The scores of groups of questions are breakdowns of `overall`."""
NOTED_DIFFERENCE = 1.0
"""Difference, in percentage points, from which the score under other rules is noted."""


def vqa_accuracy(prediction: str, answers: Sequence[str], rules: RuleName = "official") -> float:
    """Computes the accuracy of one answer, in percent, by default as VQA v2's official evaluation does.

    For each annotator, the answer scores a third for each other annotator who gave it, at most 1. The accuracy is the
    mean over annotators. As in the official code, nothing is normalised if all annotators gave identical answers: then
    "Yes." is wrong if all ten wrote "yes". Other rules normalise differently (`vqa_rules`).

    With two or three annotators, all others have to agree for a full score, instead of three. The answer of a single
    annotator is matched exactly, after normalising both.
    """
    return _accuracies(prediction, answers, (rules,))[0]


def _accuracies(prediction: str, answers: Sequence[str], rules: Sequence[RuleName]) -> list[float]:
    """Returns the accuracy of one answer by each of several rules, as `vqa_accuracy` computes it."""
    if len(answers) == 1:
        return [100.0 * exact_match(prediction, answers[0], name) for name in rules]
    distinct = set(answers)  # annotators agree on few answers, each of which is normalised once
    unanimous = len(distinct) == 1 or len(set(map(trimmed, distinct))) == 1
    accuracies = []
    for name in rules:
        chosen = rules_of(name)
        of_prediction, of_answer = chosen.unanimous if unanimous else chosen.disagreeing
        given = of_prediction(prediction)
        agreed = sum(answers.count(answer) for answer in distinct if of_answer(answer) == given)
        accuracies.append(_accuracy(len(answers), agreed))
    return accuracies


def _accuracy(total: int, agreed: int) -> float:
    """Returns the accuracy, in percent, of an answer that `agreed` of `total` annotators gave."""
    enough = min(3, total - 1)
    # Leaving out an annotator who gave this answer leaves one agreeing annotator less.
    points = agreed * min(enough, agreed - 1) + (total - agreed) * min(enough, agreed)
    return 100.0 * points / (enough * total)


def exact_match(prediction: str, answer: str, rules: RuleName = "official") -> bool:
    """Returns whether two answers are equal after normalising both, as where annotators disagree."""
    of_prediction, of_answer = rules_of(rules).disagreeing
    return of_prediction(prediction) == of_answer(answer)


def soft_accuracy(prediction: str, label: Mapping[str, float], rules: RuleName = "official") -> float:
    """Returns the score, in percent, of the annotated answer that equals the prediction after normalisation, else 0.

    Args:
        prediction: predicted answer.
        label: answer → score from 0 to 1, as in LXMERT's files. If normalisation makes several answers equal, the
            highest score counts.
        rules: normalisation of both, as where annotators disagree.
    """
    right = (score for answer, score in label.items() if exact_match(prediction, answer, rules))
    return 100.0 * max(right, default=0.0)


def vqa_scores(
    predictions: Mapping[str, str],
    answers: Mapping[str, Sequence[str]],
    groups: Groups | None = None,
    images: Mapping[str, str] | None = None,
    partial: bool = False,
    rules: RuleName = "official",
) -> AccuracyScores:
    """Computes VQA v2 accuracy, in percent, overall and by group: means of `vqa_accuracy`.

    Unlike the official evaluation, it does not round to two decimals.

    Args:
        predictions: question id → predicted answer.
        answers: question id → annotators' answers, usually ten.
        groups: question id → groups, like {"answer_type": "yes/no", "question_type": "is the"}.
        images: question id → image id, so that intervals resample images with all their questions.
        partial: whether questions without a prediction are allowed.
        rules: normalisation of answers: "official" (VQA v2's), "lavis", "lmms" or "m4c".

    Raises:
        UserError: if there are unknown questions, missing predictions (unless `partial`), questions without answers, or
            unknown rules.
    """
    check_answers(predictions, answers, partial)
    per_question = {
        question: vqa_accuracy(text, answers[question], rules) for question, text in predictions.items()
    }
    return accuracy_scores(per_question, groups, images)


def rules_notes(
    predictions: Mapping[str, str], answers: Mapping[str, Sequence[str]], rules: RuleName = "official"
) -> list[str]:
    """Returns a note if other rules would change the overall accuracy by over 1 point, else nothing.

    Args:
        predictions: question id → predicted answer, with at least one question.
        answers: question id → annotators' answers.
        rules: rules of the score that the note belongs to.
    """
    overall, names = dict.fromkeys(RULES, 0.0), tuple(RULES)
    for question, text in predictions.items():
        for name, accuracy in zip(names, _accuracies(text, answers[question], names), strict=True):
            overall[name] += accuracy / len(predictions)
    changes = {name: value - overall[rules] for name, value in overall.items()}
    noted = [name for name, change in changes.items() if abs(change) > NOTED_DIFFERENCE]
    if not noted:
        return []
    note = ", ".join(
        f"{name}'s{' rules would give' if name == noted[0] else ''} {overall[name]:.1f} "
        f"({abs(changes[name]):.1f} {'more' if changes[name] > 0 else 'less'})"
        for name in noted
    )
    # The official rules and lavis differ only where all annotators agree.
    if overall["lavis"] - overall["official"] > NOTED_DIFFERENCE and "official" in (rules, *noted):
        note += (
            ": official rules normalise nothing where all annotators agree; answers that are capitalised or end in a "
            "period then score 0"
        )
    return [f"{note}; see docs/metrics.md"]


def soft_scores(
    predictions: Mapping[str, str],
    labels: Mapping[str, Mapping[str, float]],
    groups: Groups | None = None,
    images: Mapping[str, str] | None = None,
    partial: bool = False,
    rules: RuleName = "official",
) -> AccuracyScores:
    """Computes soft accuracy, in percent, overall and by group: means of `soft_accuracy`.

    Arguments and errors are those of `vqa_scores`; `labels` holds the soft scores of each question.
    """
    check_answers(predictions, labels, partial)
    per_question = {
        question: soft_accuracy(text, labels[question], rules) for question, text in predictions.items()
    }
    return accuracy_scores(per_question, groups, images)
