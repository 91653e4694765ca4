"""GQA's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.gqa import GQAQuestions
from frozenvl.util.errors import UserError

TYPES = {"detailed": "existAttr", "structural": "verify", "semantic": "attr"}
ROWS = {
    "07333408": {
        "imageId": "2",
        "question": "Is the sky dark?",
        "answer": "yes",
        "fullAnswer": "Yes, the sky is dark.",
        "types": TYPES,
        "groups": {"global": None, "local": "06-sky_dark"},
    },
    "202": {
        "imageId": "n161313",
        "question": "Who is it?",
        "answer": "girl",
        "types": TYPES | {"semantic": None},
    },
    "03": {"imageId": "3", "question": "Where?", "answer": "left"},
}


def gqa(folder, rows=ROWS, **more) -> GQAQuestions:
    return GQAQuestions(write(folder, "testdev.json", rows), str(folder / "images"), **more)


def test_questions_and_answers_are_read(tmp_path):
    source = gqa(tmp_path)
    assert [(e.id, e.image.name, e.question, e.answer) for e in source] == [
        ("07333408", "2.jpg", "Is the sky dark?", "yes"),
        ("202", "n161313.jpg", "Who is it?", "girl"),
        ("03", "3.jpg", "Where?", "left"),
    ]
    assert source[0].references == ("yes",)  # not the full answer
    assert [e.kind for e in source] == [
        {"structural": "verify", "semantic": "attr"},
        {"structural": "verify"},
        {},
    ]


def test_photographs_are_those_of_visual_genome_or_coco(tmp_path):
    other = f"{tmp_path.name}/images/n161313.jpg"
    assert gqa(tmp_path).image_ids() == ["vg/2", other, "vg/3"]
    image_data = write(tmp_path, "image_data.json", [{"image_id": 3, "coco_id": 77}])
    assert gqa(tmp_path, image_data=image_data).image_ids() == ["vg/2", other, "coco/77"]


def test_a_test_set_has_no_answers(tmp_path):
    source = gqa(tmp_path, {"7": {"imageId": "2", "question": "Is it?", "isBalanced": True}})
    assert (source[0].references, source[0].answer, source.pairs) == ((), "", 0)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"imageId": "9", "question": "Q"}, r"record \['9'\]: has no 'answer', which other records have"),
        ({"imageId": "9", "question": "Q", "answer": None}, "has no 'answer', which other records have"),
        ({"imageId": "9", "question": "Q", "answer": 2}, r"'answer' is a number \(2\), not a text"),
        ({"imageId": None, "question": "Q", "answer": "a"}, "'imageId' is null"),
        ({"imageId": "9", "question": 7, "answer": "a"}, r"'question' is a number \(7\)"),
        ("Q", r"record \['9'\] is a text"),
    ],
    ids=["missing", "null", "number", "image", "question", "text"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, record, problem):
    with pytest.raises(UserError, match=problem):
        gqa(tmp_path, ROWS | {"9": record})


def test_only_its_own_layout_is_recognised(tmp_path):
    assert recognised(GQAQuestions) == {"GQA", "GQA test"}
    with pytest.raises(UserError, match=r"not GQA's questions JSON .it is a list"):
        gqa(tmp_path, [{"imageId": "2"}])
