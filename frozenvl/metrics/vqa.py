"""Metrics of visual question answering: VQA v2 accuracy, exact match, soft scores, and their normalisation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from frozenvl.metrics.accuracy import AccuracyScores, Groups, accuracy_scores, check_answers
from frozenvl.metrics.metric import Metric

METRICS = (Metric("overall", "%", main=True),)
"""Descriptions of these scores. The scores of groups of questions are breakdowns of `overall`."""


def _words(text: str) -> list[str]:
    return text.split()


# Rules of VQA's official evaluation (GT-Vision-Lab/VQA, vqaEval.py), checked against its results, quirks included.
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = 32  # quirk: vqaEval.py passes a flag (re.UNICODE = 32) as the number of replacements
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(_words("zero one two three four five six seven eight nine ten"))
} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_CONTRACTIONS = _words("""
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
    he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't
    must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've
    somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've
    something'll that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas
    wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've
    who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd
    you'd've you'll you're you've
""")


def _without_one_apostrophe(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place, letter in enumerate(word) if letter == "'"]


_RESTORED = {short: word for word in _CONTRACTIONS for short in _without_one_apostrophe(word)}
_RESTORED["somebody'd"] = "somebodyd"  # quirk: vqaEval.py has this pair the wrong way round


def normalize_answer(answer: str) -> str:
    """Normalises an answer as VQA's official evaluation does.

    The result is in lower case, without articles, with digits for number words up to ten and apostrophes in
    contractions. A punctuation mark becomes a space. It is removed instead if it is next to a space anywhere in the
    answer, or if the answer has a number like 1,000. Periods are removed unless a digit follows.
    """
    answer = answer.replace("\n", " ").replace("\t", " ").strip()
    thousands = _THOUSANDS.search(answer) is not None
    stripped = answer
    for mark in _PUNCTUATION:
        if mark in answer:
            beside_space = f"{mark} " in answer or f" {mark}" in answer
            stripped = stripped.replace(mark, "" if beside_space or thousands else " ")
    stripped = _PERIOD.sub("", stripped, count=_MOST_PERIODS)
    words = (_NUMBERS.get(word, word) for word in stripped.lower().split())
    return " ".join(_RESTORED.get(word, word) for word in words if word not in _ARTICLES)


def vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Computes the accuracy of one answer, in percent, as VQA v2's official evaluation does.

    For each annotator, the answer scores a third for each other annotator who gave it, at most 1. The accuracy is the
    mean over annotators. As in the official code, nothing is normalised if all annotators gave identical answers: then
    "Yes." is wrong if all ten wrote "yes".

    With two or three annotators, all others have to agree for a full score, instead of three. The answer of a single
    annotator is matched exactly, after normalising both.
    """
    if len(answers) == 1:
        return 100.0 * exact_match(prediction, answers[0])
    prediction = prediction.replace("\n", " ").replace("\t", " ").strip()
    answers = [answer.replace("\n", " ").replace("\t", " ").strip() for answer in answers]
    if len(set(answers)) > 1:
        prediction = normalize_answer(prediction)
        answers = [normalize_answer(answer) for answer in answers]
    total, agreed = len(answers), answers.count(prediction)
    enough = min(3, total - 1)
    # Leaving out an annotator who gave this answer leaves one agreeing annotator less.
    points = agreed * min(enough, agreed - 1) + (total - agreed) * min(enough, agreed)
    return 100.0 * points / (enough * total)


def exact_match(prediction: str, answer: str) -> bool:
    """Returns whether two answers are equal after `normalize_answer`."""
    return normalize_answer(prediction) == normalize_answer(answer)


def soft_accuracy(prediction: str, label: Mapping[str, float]) -> float:
    """Returns the score, in percent, of the annotated answer that equals the prediction after normalisation, else 0.

    Args:
        prediction: predicted answer.
        label: answer → score from 0 to 1, as in LXMERT's files. If normalisation makes several answers equal, the
            highest score counts.
    """
    normal = normalize_answer(prediction)
    return 100.0 * max(
        (score for answer, score in label.items() if normalize_answer(answer) == normal), default=0.0
    )


def vqa_scores(
    predictions: Mapping[str, str],
    answers: Mapping[str, Sequence[str]],
    groups: Groups | None = None,
    images: Mapping[str, str] | None = None,
    partial: bool = False,
) -> AccuracyScores:
    """Computes VQA v2 accuracy, in percent, overall and by group: means of `vqa_accuracy`.

    Unlike the official evaluation, it does not round to two decimals.

    Args:
        predictions: question id → predicted answer.
        answers: question id → annotators' answers, usually ten.
        groups: question id → groups, like {"answer_type": "yes/no", "question_type": "is the"}.
        images: question id → image id, so that intervals resample images with all their questions.
        partial: whether questions without a prediction are allowed.

    Raises:
        UserError: if there are unknown questions, missing predictions (unless `partial`), or questions without answers.
    """
    check_answers(predictions, answers, partial)
    per_question = {question: vqa_accuracy(text, answers[question]) for question, text in predictions.items()}
    return accuracy_scores(per_question, groups, images)


def soft_scores(
    predictions: Mapping[str, str],
    labels: Mapping[str, Mapping[str, float]],
    groups: Groups | None = None,
    images: Mapping[str, str] | None = None,
    partial: bool = False,
) -> AccuracyScores:
    """Computes soft accuracy, in percent, overall and by group: means of `soft_accuracy`.

    Arguments and errors are those of `vqa_scores`; `labels` holds the soft scores of each question.
    """
    check_answers(predictions, labels, partial)
    per_question = {question: soft_accuracy(text, labels[question]) for question, text in predictions.items()}
    return accuracy_scores(per_question, groups, images)
