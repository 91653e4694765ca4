"""SLAKE's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.slake import SlakeQuestions
from frozenvl.util.errors import UserError


def row(qid: int, language: str, **more) -> dict:
    return {
        "img_id": 1,
        "img_name": f"xmlab{qid}/source.jpg",
        "question": {"en": "What modality?", "zh": "这是什么模态？"}[language],
        "answer": "MRI",
        "q_lang": language,
        "location": "Brain",
        "modality": "MRI",
        "answer_type": "OPEN",
        "base_type": "vqa",
        "content_type": "Modality",
        "triple": ["vhead", "_", "_"],
        "qid": qid,
    } | more


ROWS = [row(0, "en"), row(1, "zh"), row(2, "en")]


def slake(folder, rows=ROWS, **more) -> SlakeQuestions:
    return SlakeQuestions(write(folder, "train.json", rows), str(folder / "images"), **more)


def test_questions_and_answers_are_read(tmp_path):
    source = slake(tmp_path)
    assert [(e.id, e.question, e.answer, e.references) for e in source] == [
        ("0", "What modality?", "MRI", ("MRI",)),
        ("1", "这是什么模态？", "MRI", ("MRI",)),
        ("2", "What modality?", "MRI", ("MRI",)),
    ]
    assert source[0].image.path == tmp_path / "images/xmlab0/source.jpg"
    assert len(set(source.image_ids())) == 3 and source.notes == {}
    assert source[1].kind == {
        "answer_type": "OPEN",
        "content_type": "Modality",
        "modality": "MRI",
        "location": "Brain",
        "base_type": "vqa",
        "q_lang": "zh",
    }


def test_one_language_leaves_out_and_counts_the_other(tmp_path):
    source = slake(tmp_path, language="en")
    assert [e.id for e in source] == ["0", "2"]
    assert source.notes == {"questions in another language (zh) left out": 1}
    with pytest.raises(
        UserError, match=r"lists no questions \(1 questions in another language \(zh\) left out"
    ):
        slake(tmp_path, ROWS[1:2], language="en")
    with pytest.raises(UserError, match="unknown language 'de'; choose one of all, en, zh"):
        slake(tmp_path, language="de")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answer": None}, "'answer' is null"),
        ({"answer": 2}, r"'answer' is a number \(2\), not a text"),
        ({"img_name": None}, "'img_name' is null"),
        ({"q_lang": None}, "'q_lang' is null"),
        ({"qid": 0}, "question 0 stands twice"),
    ],
    ids=["null", "number", "image", "language", "twice"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        slake(tmp_path, [*ROWS, row(9, "en") | more])


def test_only_its_own_layout_is_recognised():
    assert recognised(SlakeQuestions) == {"SLAKE"}
