"""VQA accuracy, its normalisation, soft scores and naming."""

import json

import pytest

from frozenvl.metrics.naming import first_phrase_match, naming_scores, strict_match
from frozenvl.metrics.vqa import exact_match, normalize_answer, soft_scores, vqa_accuracy, vqa_scores
from frozenvl.util.errors import UserError


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
def test_normalisation(answer, normal):
    assert normalize_answer(answer) == normal


@pytest.mark.parametrize(("agreed", "accuracy"), [(0, 0), (1, 30), (2, 60), (3, 90), (4, 100), (9, 100)])
def test_accuracy_by_number_of_agreeing_annotators(agreed, accuracy):
    answers = ["red"] * agreed + [f"other {i}" for i in range(10 - agreed)]
    assert vqa_accuracy("Red.", answers) == accuracy


def test_unanimous_answers_are_not_normalised():
    assert vqa_accuracy("yes", ["yes"] * 10) == 100
    assert vqa_accuracy("Yes.", ["yes"] * 10) == 0
    assert vqa_accuracy("Yes.", ["yes"] * 9 + ["no"]) == 100


def test_fewer_annotators():
    assert vqa_accuracy("A Cat.", ["cat"]) == 100
    assert vqa_accuracy("dog", ["cat"]) == 0
    assert vqa_accuracy("cat", ["cat", "cat"]) == 100
    assert vqa_accuracy("cat", ["cat", "dog"]) == 50
    assert vqa_accuracy("cat", ["cat", "cat", "dog"]) == pytest.approx(200 / 3)


@pytest.mark.data
@pytest.mark.parametrize("name", ["always_yes", "majority", "annotator_with_variants"])
def test_official_evaluation(data, name):
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


@pytest.mark.parametrize(
    ("predictions", "answers", "said"),
    [
        ({}, {"1": ["a"]}, "empty"),
        ({"1": "a", "7": "b"}, {"1": ["a"]}, "'7'"),
        ({"1": "a"}, {"1": ["a"], "2": ["b"]}, "1 of 2 questions have no result"),
        ({"1": "a"}, {"1": []}, "no list of annotated answers"),
        ({"1": 3}, {"1": ["3"]}, "not text"),
    ],
)
def test_bad_input(predictions, answers, said):
    with pytest.raises(UserError, match=said):
        vqa_scores(predictions, answers)


def test_groups_and_images_must_be_known():
    with pytest.raises(UserError, match="no group"):
        vqa_scores({"1": "a"}, {"1": ["a"]}, groups={})
    with pytest.raises(UserError, match="no image"):
        vqa_scores({"1": "a"}, {"1": ["a"]}, images={"2": "x"})


def test_partial():
    assert vqa_scores({"1": "a"}, {"1": ["a"], "2": ["b"]}, partial=True).scores["overall"] == 100


@pytest.mark.parametrize(
    ("output", "ended", "strict", "first"),
    [
        ("dax", True, True, True),
        (" dax.", True, True, True),
        ("dax", False, False, True),
        ("dax..", True, False, True),
        ("Dax", True, False, True),
        ("dax\nQuestion: what", False, False, True),
        ("dax, not a blicket", True, False, True),
        ("dax blicket", True, False, False),
        ("daxes", True, False, False),
        ("a dax", True, False, False),
        ("", True, False, False),
    ],
)
def test_naming(output, ended, strict, first):
    assert strict_match(output, "dax", ended) is strict
    assert first_phrase_match(output, "dax.") is first


def test_naming_scores():
    found = naming_scores({"1": "dax", "2": "dax"}, {"1": True, "2": False}, {"1": "dax", "2": "dax"})
    assert found.scores == {"strict": 50, "first_phrase": 100}
    assert found.per_query == {"1": 100, "2": 0}
    with pytest.raises(UserError, match="recorded whether"):
        naming_scores({"1": "dax"}, {}, {"1": "dax"})
