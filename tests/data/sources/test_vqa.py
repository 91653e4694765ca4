"""VQA's official layout: VQA v2, OK-VQA, DAQUAR."""

from __future__ import annotations

import pytest
from vqa_files import ASKED, GIVEN, annotations, vqa, write

from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError


def test_examples_are_in_the_order_of_the_questions(tmp_path):
    source = vqa(tmp_path)
    assert [(e.id, e.question, e.references, e.answer, e.kind) for e in source] == [
        (
            "10",
            "Is it red?",
            ("no", "yes", "yes"),
            "yes",
            {"answer_type": "yes/no", "question_type": "is it"},
        ),
        ("11", "How many?", ("", "", "2"), "2", {}),
        ("20", "What?", ("a", "b", "b", "a"), "b", {}),
    ]
    assert source[0].image.path == tmp_path / "images" / "COCO_train2014_000000000001.jpg"
    assert source.image_ids() == [e.image_id for e in source] == ["coco/1", "coco/1", "coco/2"]
    assert source.pairs == 3


def test_images_with_another_name_have_no_coco_id(tmp_path):
    source = vqa(tmp_path, image_name="image{image_id}.jpg")
    assert source[2].image.name == "image2.jpg" and source[2].image_id == f"{tmp_path.name}/images/image2.jpg"


def test_a_test_set_has_no_answers_and_is_not_trained_on(tmp_path):
    questions = write(tmp_path, "questions.json", {"questions": ASKED})
    source = VQAQuestions(questions, None, str(tmp_path / "images"))
    assert (len(source), source.pairs) == (3, 0)
    assert all(example.targets == () for example in source)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"asked": ASKED[:2]},
            "questions.json: question 20 of .*annotations.json is not in this file; are they of one split",
        ),
        (
            {"given": annotations(GIVEN[:2])},
            r"questions.json: questions\[1\] .question_id 11.: has no annotation in .*annotations.json",
        ),
        ({"asked": [*ASKED, ASKED[0]]}, "questions.json: question 10 stands twice"),
        ({"given": annotations([*GIVEN, GIVEN[0]])}, "annotations.json: .*question 20 is answered twice"),
        (
            {"given": annotations([GIVEN[0] | {"answers": ["", " "]}])},
            r"annotations.json: annotations\[0\] .question_id 20.: has only empty answers",
        ),
        (
            {"asked": [ASKED[0] | {"question": " "}], "given": annotations(GIVEN[1:2])},
            r"questions\[0\] .question_id 10.: 'question' is an empty text",
        ),
        (
            {"asked": [{"question_id": 10}], "given": annotations(GIVEN[1:2])},
            "VQA questions JSON .no record of 'questions' has 'image_id'",
        ),
        ({"asked": 3}, "questions.json: not VQA questions JSON"),
        ({"asked": [], "given": []}, "questions.json: lists no questions"),
        (
            {"given": [{"question_id": 10}]},
            "annotations.json: not VQA annotations JSON .no record of 'annotations' has 'answers'",
        ),
        ({"given": "abc"}, "annotations.json: not VQA annotations JSON"),
        ({"image_name": "{image}.jpg"}, "image_name '{image}.jpg' cannot be filled"),
        ({"image_name": "{image_id.x}.jpg"}, "image_name '{image_id.x}.jpg' cannot be filled"),
        ({"image_name": "a.jpg"}, "image_name 'a.jpg' names one image for all; it needs {image_id}"),
        ({"part": "test"}, "unknown part 'test'; choose one of all, train, ask"),
        ({"part": "ask", "ask_share": 1.0}, "ask_share must lie between 0 and 1, not 1.0"),
        (
            {"part": "ask", "ask_share": 1e-9},
            "none of its 3 questions is in part 'ask'; change ask_share",
        ),
    ],
)
def test_a_bad_file_is_one_error_line(tmp_path, more, message):
    with pytest.raises(UserError, match=message):
        vqa(tmp_path, **more)


@pytest.mark.parametrize("missing", ["questions.json", "annotations.json", "images"])
def test_a_missing_file_or_folder_is_named(tmp_path, missing):
    vqa(tmp_path)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{missing}: no such .*--data.root"):
        VQAQuestions(*(str(tmp_path / name) for name in ("questions.json", "annotations.json", "images")))


@pytest.mark.data
def test_the_real_daquar_is_read(data):
    folder = data / "daquar"
    daquar = VQAQuestions(
        str(folder / "daquar_questions.json"),
        str(folder / "daquar_annotations.json"),
        str(folder / "images"),
        image_name="image{image_id}.jpg",
    )
    assert len(daquar) == daquar.pairs == 8677 and daquar[0].answer == "garbage_bin"
    assert all(example.image.path.is_file() for example in daquar)
    assert not [key for key in daquar.image_ids() if key.startswith("coco/")]


def test_answers_about_another_image_are_refused(tmp_path):
    given = annotations([row | {"image_id": 1 if row["question_id"] < 20 else "002"} for row in GIVEN])
    assert len(vqa(tmp_path, given=given)) == 3
    given[0]["image_id"] = 102
    with pytest.raises(
        UserError, match=r"question_id 20.: is about image 2, but its answers in .* are about image 102"
    ):
        vqa(tmp_path, given=given)
