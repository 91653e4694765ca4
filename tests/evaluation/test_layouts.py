"""Files of captions, questions and answers: reading, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frozenvl.evaluation.layouts import (
    caption_results,
    read_answers,
    read_captions,
    read_references,
    read_vqa,
    vqa_results,
)
from frozenvl.util.errors import UserError

QUESTIONS = [{"question_id": n, "image_id": 7, "question": f"Is it {n}?"} for n in (1, 2)]
ANNOTATIONS = [
    {"question_id": 2, "answers": [{"answer": "yes"}, {"answer": "no"}], "answer_type": "yes/no"},
    {"question_id": 1, "answers": [{"answer": 3}]},
]


@pytest.fixture
def write(tmp_path):
    def make(content: object, name: str = "file.json") -> Path:
        rows = name.endswith("jsonl")
        text = "\n".join(map(json.dumps, content)) if rows else json.dumps(content)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def test_results_are_read_as_they_were_written(write):
    captions, answers = {"7": "a dog", "007": "a cat", "x": "a bird"}, {"1": "yes", "b": "no"}
    assert [row["image_id"] for row in caption_results(captions)] == [7, "007", "x"]
    assert read_captions(write(caption_results(captions))) == captions
    assert read_answers(write(vqa_results(answers))) == answers


def test_predictions_of_a_run_are_read(write):
    rows = [
        {"id": "a", "text": "a dog", "references": ["dog", "a dog"]},
        {"id": "b", "text": "", "references": ["x"]},
    ]
    path = write(rows, "predictions.jsonl")
    assert read_captions(path) == read_answers(path) == {"a": "a dog", "b": ""}
    assert read_references(path) == {"a": ["dog", "a dog"], "b": ["x"]}


def test_the_image_id_takes_precedence_over_the_id_of_a_caption(write):
    assert read_captions(write([{"id": 99, "image_id": 7, "caption": "a dog"}])) == {"7": "a dog"}


def test_coco_references_are_read(write):
    content = {
        "images": [{"id": 2}, {"id": 1}],
        "annotations": [{"image_id": i, "caption": text} for i, text in ((1, "a"), (2, "b"), (1, "c"))],
    }
    assert read_references(write(content)) == {"2": ["b"], "1": ["a", "c"]}
    with pytest.raises(UserError, match=r"1 images have no caption \(first: 3\)"):
        read_references(write(content | {"images": [{"id": 3}]}))


def test_vqa_questions_and_annotations_are_read(write):
    asked = write({"questions": QUESTIONS}, "q.json")
    known = read_vqa(asked, write({"annotations": ANNOTATIONS}, "a.json"))
    assert known["2"] == {
        "question": "Is it 2?",
        "image_id": "7",
        "answers": ["yes", "no"],
        "groups": {"answer_type": "yes/no", "question_type": ""},
    }
    assert known["1"]["answers"] == ["3"]
    with pytest.raises(UserError, match=r"q.json: 1 questions have no annotation \(first: 1\)"):
        read_vqa(asked, write({"annotations": ANNOTATIONS[:1]}, "a.json"))
    with pytest.raises(UserError, match=r"a.json: question 9 is not in .*q.json"):
        read_vqa(asked, write({"annotations": [ANNOTATIONS[0] | {"question_id": 9}]}, "a.json"))


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_captions, {"a": 1}, "a list was expected, not dict"),
        (read_captions, [{"image_id": 1}], "an entry has no 'caption' or 'text'"),
        (read_captions, [3], "an entry has no 'image_id'"),
        (read_captions, [{"image_id": 1, "caption": "a"}] * 2, "1 stands there twice; keep one"),
        (read_answers, [{"question_id": 1}], "an entry has no 'answer' or 'text'"),
        (read_answers, [{"answer": "a"}], "an entry has no 'question_id' or 'id'"),
        (read_references, {"a": 1}, "not COCO captions"),
        (read_references, [{"image_id": 1}], "an entry has no 'references'"),
    ],
)
def test_another_layout_is_one_error_line(write, read, content, message):
    with pytest.raises(UserError, match=rf"file.json: .*{message}") as error:
        read(write(content))
    assert "\n" not in str(error.value)
