"""Visual7W's telling questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.visual7w import Visual7WQuestions
from frozenvl.util.errors import UserError


def pair(number: int, **more) -> dict:
    return {
        "image_id": 1,
        "qa_id": number,
        "question": "What is it?",
        "answer": "A dog.",
        "multiple_choices": ["A cat.", "A cow.", "A car."],
        "type": "what",
    } | more


def image(number: int, split: str, *pairs: dict) -> dict:
    return {"image_id": number, "split": split, "filename": f"v7w_{number}.jpg", "qa_pairs": list(pairs)}


ROWS = [image(2, "train", pair(10), pair(11, answer="A bee.", type="who")), image(3, "val", pair(12))]


def visual7w(folder, rows=ROWS, extra=None, **more) -> Visual7WQuestions:
    content = {"dataset": "Visual7W", "images": rows} | (extra or {})
    return Visual7WQuestions(
        write(folder, "dataset_v7w_telling.json", content), str(folder / "images"), **more
    )


def test_questions_and_choices_are_read(tmp_path):
    source = visual7w(tmp_path)
    assert [(e.id, e.image.name, e.answer, e.references, e.choices) for e in source] == [
        ("10", "v7w_2.jpg", "A dog.", ("A dog.",), ("A dog.", "A cat.", "A cow.", "A car.")),
        ("11", "v7w_2.jpg", "A bee.", ("A bee.",), ("A bee.", "A cat.", "A cow.", "A car.")),
    ]
    assert [e.kind for e in source] == [{"type": "what"}, {"type": "who"}]


def test_splits_and_photographs(tmp_path):
    assert [e.id for e in visual7w(tmp_path, split="val")] == ["12"]
    assert visual7w(tmp_path, split="all").image_ids() == ["vg/2", "vg/2", "vg/3"]
    image_data = write(tmp_path, "image_data.json", [{"image_id": 3, "coco_id": 77}])
    assert visual7w(tmp_path, split="val", image_data=image_data).image_ids() == ["coco/77"]
    with pytest.raises(UserError, match="lists no questions in split 'test'"):
        visual7w(tmp_path, split="test")
    with pytest.raises(UserError, match="unknown split 'dev'"):
        visual7w(tmp_path, split="dev")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answer": None}, "'answer' is null"),
        ({"answer": 7}, "'answer' is a number"),
        ({"multiple_choices": None}, "'multiple_choices' is null"),
        ({"multiple_choices": ["a", ""]}, r"multiple_choices\[1\] is an empty text"),
        ({"qa_id": 10}, "question 10 stands twice"),
    ],
    ids=["null", "number", "choices", "empty", "twice"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        visual7w(tmp_path, [*ROWS, image(4, "train", pair(19, **more))])


def test_pointing_questions_are_refused(tmp_path):
    """Their answers are numbers of boxes, which the file lists."""
    rows = [image(2, "train", pair(1, answer=3001, multiple_choices=[3002, 3003]))]
    with pytest.raises(
        UserError, match=r"it has pointing questions, whose answers are boxes\); no source reads this"
    ):
        visual7w(tmp_path, rows, {"boxes": [{"box_id": 3001}]})


def test_only_its_own_layout_is_recognised():
    assert recognised(Visual7WQuestions) == {"Visual7W"}
