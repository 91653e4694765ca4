"""LXMERT's layout of VQA v2 and OK-VQA, with soft scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from vqa_files import write

from frozenvl.data.sources.lxmert import LxmertQuestions
from frozenvl.util.errors import UserError


def lxmert(folder: Path, *labels) -> LxmertQuestions:
    rows = [
        {"sent": "What?", "question_id": n, "img_id": f"COCO_train2014_{n:012d}", "label": label}
        for n, label in enumerate(labels)
    ]
    return LxmertQuestions(write(folder, "lxmert.json", rows), str(folder / "images"))


def test_soft_scores_are_read(tmp_path):
    source = lxmert(tmp_path, {"row": 0.3, "boat": 1, "ship": 1}, {"x": 0.9})
    assert (source[0].answer, source[0].references) == ("boat", ("boat", "ship", "row"))
    assert source[0].scores == {"row": 0.3, "boat": 1.0, "ship": 1.0}
    assert (source[1].id, source[1].image.name) == ("1", "COCO_train2014_000000000001.jpg")
    assert source.image_ids() == ["coco/0", "coco/1"] and source.pairs == 2


def test_a_question_without_a_scored_answer_is_not_trained_on(tmp_path):
    source = lxmert(tmp_path, {"a": 1}, {}, {"b": 1})
    assert (len(source), source.pairs, source.pair(1)) == (3, 2, (2, 0))
    assert source[1].targets == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": 1}, "not LXMERT's JSON .it is an object, not a list"),
        (["x"], r"record \[0\] is a text .'x'., not an object"),
        (3, "not LXMERT's JSON .it is a number .3., not a list"),
        ([{"sent": "x"}], "not LXMERT's JSON .no record has 'question_id'"),
        (
            [{"question_id": 1, "img_id": "a", "sent": "x", "label": {"a": "b"}}],
            r"record \[0\] .question_id 1.: the score of 'a' is a text .'b'., not a number from 0 to 1",
        ),
        (
            [{"question_id": 1, "img_id": "a", "sent": "x", "label": ["a"]}],
            r"record \[0\] .question_id 1.: 'label' is a list, not an object of answer and score",
        ),
    ],
)
def test_bad_files_are_refused(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        LxmertQuestions(write(tmp_path, "lxmert.json", rows), str(tmp_path / "images"))
