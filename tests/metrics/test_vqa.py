"""VQA accuracy, its normalisation, and soft scores."""

import json

import pytest

from frozenvl.metrics.vqa import exact_match, normalize_answer, soft_scores, vqa_accuracy, vqa_scores


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("Yes.", "yes"),
        ("The Two dogs", "2 dogs"),
        ("none", "0"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("ows'at", "ows'at"),
        ("'owsat", "'owsat"),
        ("twas", "'twas"),
        ("somebody'd", "somebodyd"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("garbage_bin", "garbage bin"),
        ("1,000 men/women", "1000 menwomen"),
        ("3.5", "3.5"),
        (".5 mi.", ".5 mi"),
        ("8 o'clock:", "8 o'clock:"),
        (" \tA\nman ", "man"),
        ("." * 40, "." * 8),
    ],
)
def test_answers_are_normalised(answer, normal):
    assert normalize_answer(answer) == normal


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


def test_exact_match():
    assert exact_match("The table.", "table")
    assert not exact_match("tables", "table")
