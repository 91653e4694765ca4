"""BLIP's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.blip import BlipQuestions
from frozenvl.util.errors import UserError

VQA = {
    "question_id": 262148000,
    "question": "What is  it?",
    "answer": ["down", "at table", "down"],
    "image": "val2014/COCO_val2014_000000262148.jpg",
    "dataset": "vqa",
}
VG = {
    "question_id": 986769,
    "question": "How many?",
    "answer": "two",
    "image": "image/1.jpg",
    "dataset": "vg",
}


def blip(folder, *rows, **more) -> BlipQuestions:
    return BlipQuestions(write(folder, "vqa_train.json", list(rows)), str(folder / "images"), **more)


def test_questions_of_vqa_and_visual_genome_are_read(tmp_path):
    source = blip(tmp_path, VQA, VG)
    assert [(e.id, e.question, e.answer, e.references, e.kind) for e in source] == [
        ("262148000", "What is it?", "down", ("down", "at table", "down"), {"dataset": "vqa"}),
        ("986769", "How many?", "two", ("two",), {"dataset": "vg"}),
    ]
    assert source[0].image.path == tmp_path / "images/val2014/COCO_val2014_000000262148.jpg"
    assert source.image_ids() == ["coco/262148", "vg/1"]
    image_data = write(tmp_path, "image_data.json", [{"image_id": 1, "coco_id": 77}])
    assert blip(tmp_path, VG, image_data=image_data).image_ids() == ["coco/77"]


def test_a_test_set_has_no_answers(tmp_path):
    source = blip(tmp_path, {name: value for name, value in VQA.items() if name != "answer"})
    assert (source[0].references, source[0].answer, source.pairs) == ((), "", 0)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answer": None}, "has no 'answer', which other records have"),
        ({"answer": 2}, r"'answer' is a number \(2\)"),
        ({"answer": []}, "has no 'answer', which other records have"),
        ({"answer": ["a", None]}, r"answer\[1\] is null"),
        ({"answer": [""]}, "has only empty answers"),
        ({"image": ["a.jpg"]}, "'image' is a list"),
        ({"question_id": 986769}, "question 986769 stands twice"),
    ],
    ids=["null", "number", "none", "null in list", "empty", "image", "twice"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        blip(tmp_path, VG, VQA | more)


def test_only_its_own_layout_is_recognised():
    assert recognised(BlipQuestions) == {"BLIP questions", "BLIP test questions"}
