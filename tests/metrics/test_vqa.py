"""VQA accuracy, soft scores, and the note on other rules."""

import json
from collections import Counter

import pytest

from frozenvl.metrics.vqa import (
    exact_match,
    rules_notes,
    soft_accuracy,
    soft_scores,
    vqa_accuracy,
    vqa_scores,
)
from frozenvl.metrics.vqa_rules import RULES
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(("agreed", "accuracy"), [(0, 0), (1, 30), (2, 60), (3, 90), (4, 100), (9, 100)])
def test_accuracy_by_number_of_agreeing_annotators(agreed, accuracy):
    answers = ["red"] * agreed + [f"other {i}" for i in range(10 - agreed)]
    assert vqa_accuracy("Red.", answers) == accuracy


def test_unanimous_answers_are_not_normalised():
    assert vqa_accuracy("yes", ["yes"] * 10) == 100
    assert vqa_accuracy("Yes.", ["yes"] * 10) == 0
    assert vqa_accuracy("Yes.", ["yes"] * 9 + ["no"]) == 100


def test_questions_with_fewer_annotators():
    assert vqa_accuracy("A Cat.", ["cat"]) == 100
    assert vqa_accuracy("dog", ["cat"]) == 0
    assert vqa_accuracy("cat", ["cat", "cat"]) == 100
    assert vqa_accuracy("cat", ["cat", "dog"]) == 50
    assert vqa_accuracy("cat", ["cat", "cat", "dog"]) == pytest.approx(200 / 3)


@pytest.mark.parametrize("rules", RULES)
def test_questions_with_fewer_annotators_are_weighed_alike_by_all_rules(rules):
    """Five annotators have the official formula."""
    for answers, accuracy in (
        (["a cat"], 100),
        (["dog"], 0),
        (["cat", "cat"], 100),
        (["cat", "dog"], 50),
        (["cat", "cat", "dog"], 200 / 3),
        (["cat", "cat", "dog", "dog", "dog"], 160 / 3),
    ):
        assert vqa_accuracy("cat", answers, rules) == pytest.approx(accuracy)
    assert vqa_accuracy("Two cats.", ["two cats"], rules) == 100, "the answer of one annotator is normalised"


def test_the_rules_are_those_of_the_whole_score():
    answers = {"1": ["two"] * 10, "2": ["black white"] * 9 + ["black"], "3": ["cat"] * 10}
    predictions = {"1": "2", "2": "black,white", "3": "Cat."}
    found = {name: vqa_scores(predictions, answers, rules=name).scores["overall"] for name in RULES}
    expected = {"official": 100 / 3, "lavis": 100, "lmms": 100 / 3, "m4c": 200 / 3}
    assert found == pytest.approx(expected)
    with pytest.raises(UserError, match="unknown VQA rules 'x'"):
        vqa_scores(predictions, answers, rules="x")


def share(right: int, of: int, text: str = "Cat") -> tuple[dict, dict]:
    """Returns predictions and answers: `right` predictions need normalisation to be right, the others do not."""
    predictions = {str(n): text if n < right else "cat" for n in range(of)}
    return predictions, {question: ["cat"] * 10 for question in predictions}


def test_rules_that_would_give_another_result_are_noted():
    (note,) = rules_notes(*share(1, 4))
    assert note == (
        "lavis's rules would give 100.0 (25.0 more), lmms's 100.0 (25.0 more), m4c's 100.0 (25.0 more): official "
        "rules normalise nothing where all annotators agree; answers that are capitalised or end in a period then "
        "score 0; see docs/metrics.md"
    )
    (note,) = rules_notes(*share(1, 4), rules="m4c")
    assert note.startswith("official's rules would give 75.0 (25.0 less): official rules normalise nothing")
    (note,) = rules_notes({"1": "man's"}, {"1": ["man's"] * 9 + ["men"]})
    assert note == "lmms's rules would give 0.0 (100.0 less); see docs/metrics.md"


@pytest.mark.parametrize(("right", "noted"), [(0, False), (1, False), (2, True)])
def test_one_point_is_the_limit_of_the_note(right, noted):
    assert bool(rules_notes(*share(right, 100))) == noted


@pytest.mark.data
def test_the_note_on_real_questions(data):
    """Annotators agree on 91 of the 261 questions. The answers are the majority's, capitalised or with a period."""
    file = data / "vqa_v2/v2_mscoco_train2014_subset_annotations.json"
    answers = {
        str(row["question_id"]): [given["answer"] for given in row["answers"]]
        for row in json.loads(file.read_text())["annotations"]
    }
    assert (len(answers), sum(len(set(given)) == 1 for given in answers.values())) == (261, 91)
    majority = {question: Counter(given).most_common(1)[0][0] for question, given in answers.items()}
    for change, overall, more in ((str.capitalize, 75.1, 21.8), (lambda text: f"{text}.", 62.1, 34.9)):
        predictions = {question: change(text) for question, text in majority.items()}
        found = {name: vqa_scores(predictions, answers, rules=name).scores["overall"] for name in RULES}
        rounded = {name: round(value, 1) for name, value in found.items()}
        assert rounded == {"official": overall, "lavis": 96.9, "lmms": 95.8, "m4c": 96.9}
        assert rules_notes(predictions, answers)[0].startswith(f"lavis's rules would give 96.9 ({more} more)")
    assert round(vqa_scores(majority, answers).scores["overall"], 1) == 96.9


@pytest.mark.data
@pytest.mark.parametrize("name", ["always_yes", "majority", "annotator_with_variants"])
def test_scores_equal_those_of_the_official_evaluation(data, name):
    file = data / "vqa_v2/v2_mscoco_train2014_subset_annotations.json"
    annotations = {str(a["question_id"]): a for a in json.loads(file.read_text())["annotations"]}
    official = data / "metrics/vqa_v2_official"
    results = json.loads((official / f"{name}_results.json").read_text())
    found = vqa_scores(
        {str(r["question_id"]): r["answer"] for r in results},
        {q: [given["answer"] for given in a["answers"]] for q, a in annotations.items()},
        groups={q: {k: a[k] for k in ("answer_type", "question_type")} for q, a in annotations.items()},
        images={q: str(a["image_id"]) for q, a in annotations.items()},
    )
    per_question = json.loads((official / f"{name}_per_question.json").read_text())
    assert {q: round(v, 2) for q, v in found.per_question.items()} == per_question
    expected = json.loads((official / "expected_accuracies.json").read_text())["expected"][name]
    assert round(found.scores["overall"], 2) == expected["overall"]
    for kind, groups in (
        ("answer_type", expected["perAnswerType"]),
        ("question_type", expected["perQuestionType"]),
    ):
        assert {group: round(found.scores[f"{kind}/{group}"], 2) for group in groups} == groups
    low, high = found.intervals(samples=200)["overall"]
    assert low < found.scores["overall"] < high


def test_soft_scores():
    labels = {"1": {"row": 1, "fishing boat": 0.667}, "2": {"ton": 1.0}}
    found = soft_scores({"1": "Fishing boat.", "2": "two"}, labels)
    assert found.per_question == {"1": pytest.approx(66.7), "2": 0}
    assert found.scores["overall"] == pytest.approx(33.35)


def test_soft_scores_follow_the_rules():
    assert soft_accuracy("black,white", {"black white": 0.6}) == 60
    assert soft_accuracy("black,white", {"black white": 0.6}, rules="m4c") == 0
    assert soft_scores({"1": "man's"}, {"1": {"man's": 1.0}}, rules="lmms").scores["overall"] == 0


def test_exact_match():
    assert exact_match("The table.", "table")
    assert not exact_match("tables", "table")
