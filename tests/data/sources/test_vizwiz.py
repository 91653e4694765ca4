"""VizWiz's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.vizwiz import VizWizQuestions
from frozenvl.util.errors import UserError


def row(number: int, *answers: str, **more) -> dict:
    given = [{"answer": text, "answer_confidence": "yes"} for text in answers]
    name = f"VizWiz_val_{number:08d}.jpg"
    return {"image": name, "question": f"What {number}?", "answers": given, "answer_type": "other"} | more


ROWS = [
    row(0, "unanswerable", "can", "unanswerable", "soup", "can", answerable=1),
    row(1, *["unanswerable"] * 6, *["can"] * 4, answerable=0),
    row(2, *["can"] * 9, "unanswerable", answerable=1),
    row(3, "can", "can", "unanswerable", answerable=False),
]


def vizwiz(folder, rows=ROWS, **more) -> VizWizQuestions:
    return VizWizQuestions(write(folder, "val.json", rows), str(folder / "images"), **more)


def test_questions_and_answers_are_read(tmp_path):
    source = vizwiz(tmp_path)
    assert [e.answer for e in source] == ["can", "unanswerable", "can", "can"]
    assert source[0].references == ("unanswerable", "can", "unanswerable", "soup", "can")
    assert (source[1].id, source[1].image.name) == ("VizWiz_val_00000001.jpg",) * 2
    assert source[1].question == "What 1?" and source[1].kind == {"answer_type": "other", "answerable": "0"}
    assert (len(source), source.pairs, source.notes) == (4, 4, {})


def test_unanswerable_questions_can_be_left_out(tmp_path):
    """Left out are questions with this training answer, and questions that are labelled so."""
    source = vizwiz(tmp_path, skip_unanswerable=True)
    assert [e.question for e in source] == ["What 0?", "What 2?"]
    assert source.notes == {"unanswerable questions left out": 2}
    with pytest.raises(UserError, match=r"lists no questions \(1 unanswerable questions left out\)"):
        vizwiz(tmp_path, ROWS[1:2], skip_unanswerable=True)


def test_a_test_set_has_no_answers(tmp_path):
    rows = [{"image": f"VizWiz_test_{n:08d}.jpg", "question": "What?"} for n in range(2)]
    source = vizwiz(tmp_path, rows, skip_unanswerable=True)
    assert [(e.references, e.answer, e.kind) for e in source] == [((), "", {})] * 2 and source.pairs == 0


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answers": None}, r"record \[4\] .*: has no 'answers', which other records have"),
        ({"answers": []}, "has no 'answers', which other records have"),
        ({"answers": [{"answer": 2}]}, r"answers\[0\] is a number \(2\), not a text"),
        ({"answers": [{"answer": " "}]}, "has only empty answers"),
        ({"question": ""}, "'question' is an empty text"),
        ({"image": None}, "'image' is null"),
        ({"image": "VizWiz_val_00000001.jpg"}, "question VizWiz_val_00000001.jpg stands twice"),
    ],
    ids=["null", "none", "number", "empty", "question", "image", "twice"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        vizwiz(tmp_path, [*ROWS, ROWS[2] | more])


def test_an_answered_file_needs_answers_everywhere(tmp_path):
    with pytest.raises(UserError, match=r"record \[4\] \(image .*: has no 'answers'"):
        vizwiz(tmp_path, [*ROWS, {"image": "VizWiz_val_00000009.jpg", "question": "What?"}])


def test_only_its_own_layout_is_recognised():
    assert recognised(VizWizQuestions) == {"VizWiz", "VizWiz test"}
