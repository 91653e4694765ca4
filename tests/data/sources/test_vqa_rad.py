"""VQA-RAD's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.vqa_rad import VQARADQuestions
from frozenvl.util.errors import UserError


def row(qid: int, answer, phrase_type="freeform", **more) -> dict:
    return {
        "qid": qid,
        "phrase_type": phrase_type,
        "image_name": f"synpic{qid}.jpg",
        "image_organ": "HEAD",
        "question": "How many nodules?",
        "question_type": "PRES",
        "answer": answer,
        "answer_type": "CLOSED ",
    } | more


ROWS = [row(1, "Yes"), row(2, 2, "para"), row(3, "No", "test_freeform"), row(4, "left ", "test_para")]


def vqa_rad(folder, rows=ROWS, **more) -> VQARADQuestions:
    return VQARADQuestions(write(folder, "VQA_RAD Dataset Public.json", rows), str(folder / "images"), **more)


def test_questions_and_answers_are_read(tmp_path):
    source = vqa_rad(tmp_path)
    assert [(e.id, e.image.name, e.answer, e.references) for e in source] == [
        ("1", "synpic1.jpg", "Yes", ("Yes",)),
        ("2", "synpic2.jpg", "2", ("2",)),
        ("3", "synpic3.jpg", "No", ("No",)),
        ("4", "synpic4.jpg", "left", ("left",)),
    ]
    assert source[1].kind == {
        "answer_type": "CLOSED",
        "question_type": "PRES",
        "phrase_type": "para",
        "image_organ": "HEAD",
    }


def test_splits_follow_the_phrase_type(tmp_path):
    assert [e.id for e in vqa_rad(tmp_path, split="train")] == ["1", "2"]
    assert [e.id for e in vqa_rad(tmp_path, split="test")] == ["3", "4"]
    with pytest.raises(UserError, match="lists no questions in split 'test'"):
        vqa_rad(tmp_path, ROWS[:2], split="test")
    with pytest.raises(UserError, match="unknown split 'val'"):
        vqa_rad(tmp_path, split="val")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "'answer' is null"),
        (True, "'answer' is true, not a text"),
        (2.5, r"'answer' is a number \(2.5\)"),
        ([2], r"'answer' is a list"),
        (" ", "'answer' is an empty text"),
    ],
    ids=["null", "bool", "float", "list", "empty"],
)
def test_other_answers_are_refused(tmp_path, answer, problem):
    with pytest.raises(UserError, match=rf"record \[4\] \(qid 5\): {problem}"):
        vqa_rad(tmp_path, [*ROWS, row(5, answer)])


def test_only_its_own_layout_is_recognised():
    assert recognised(VQARADQuestions) == {"VQA-RAD"}
