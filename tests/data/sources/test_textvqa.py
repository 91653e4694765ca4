"""TextVQA's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.textvqa import TextVQAQuestions
from frozenvl.util.errors import UserError

ROWS = [
    {
        "question": "what is the  brand?",
        "image_id": "0054c91397f2fe05",
        "question_id": 34602 + n,
        "answers": answers,
        "set_name": "val",
    }
    for n, answers in enumerate([["stop"] * 4 + ["STOP"] * 5 + ["no"], ["2", "", "2"]])
]


def textvqa(folder, rows=ROWS, **more) -> TextVQAQuestions:
    path = write(folder, "TextVQA_0.5.1_val.json", {"dataset_type": "val", "data": rows})
    return TextVQAQuestions(path, str(folder / "images"), **more)


def test_questions_and_answers_are_read(tmp_path):
    source = textvqa(tmp_path)
    assert [(e.id, e.image.name, e.question, e.answer) for e in source] == [
        ("34602", "0054c91397f2fe05.jpg", "what is the brand?", "STOP"),
        ("34603", "0054c91397f2fe05.jpg", "what is the brand?", "2"),
    ]
    assert source[1].references == ("2", "", "2")
    assert textvqa(tmp_path, image_name="train/{image_id}.png")[0].image.path.parent.name == "train"


def test_a_test_set_has_no_answers(tmp_path):
    source = textvqa(tmp_path, [{"question": "Q", "image_id": "a", "question_id": 1}])
    assert (source[0].references, source[0].answer, source.pairs) == ((), "", 0)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answers": None}, "has no 'answers', which other records have"),
        ({"answers": [1] * 10}, r"answers\[0\] is a number"),
        ({"answers": ["", " "]}, "has only empty answers"),
        ({"question": None}, "'question' is null"),
        ({"question_id": 34602}, "question 34602 stands twice"),
    ],
    ids=["null", "numbers", "empty", "question", "twice"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        textvqa(tmp_path, [*ROWS, ROWS[0] | {"question_id": 9} | more])
    unanswered = {name: value for name, value in ROWS[0].items() if name != "answers"}
    with pytest.raises(UserError, match=r"data\[1\] \(question_id 34602\): has no 'answers'"):
        textvqa(tmp_path, [ROWS[1], unanswered])


def test_only_its_own_layout_is_recognised():
    assert recognised(TextVQAQuestions) == {"TextVQA", "TextVQA test"}
