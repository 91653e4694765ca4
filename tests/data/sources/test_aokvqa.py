"""A-OKVQA's layout."""

from __future__ import annotations

import pytest
from vqa_files import write

from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.util.errors import UserError

ROW = {
    "question_id": "x",
    "image_id": 5,
    "question": "Q",
    "choices": ["c", "b", "a"],
    "correct_choice_idx": 1,
    "direct_answers": ["a", "b", "b"],
    "difficult_direct_answer": False,
}
WITHHELD = ("correct_choice_idx", "direct_answers", "difficult_direct_answer")
"""Fields that the test set lacks."""


def read(folder, rows) -> AOKVQAQuestions:
    return AOKVQAQuestions(write(folder, "a.json", rows), str(folder / "images"))


def test_questions_answers_choices_and_difficulty_are_read(tmp_path):
    (example,) = read(tmp_path, [ROW])
    assert (example.answer, example.references) == ("b", ("a", "b", "b"))
    assert example.kind == {"difficult_direct_answer": "False"}
    assert example.choices == ("b", "c", "a")  # the correct one first
    assert example.image.name == "000000000005.jpg" and example.image_id == "coco/5"


def test_the_test_set_has_no_answers(tmp_path):
    source = read(tmp_path, [{key: value for key, value in ROW.items() if key not in WITHHELD}])
    assert (source[0].references, source[0].choices, source.pairs) == ((), (), 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"questions": []}, "not A-OKVQA's JSON"),
        (
            [ROW, {**ROW, "question_id": "y", "direct_answers": None}],
            "question_id y.: has no 'direct_answers', which",
        ),
        ([ROW | {"correct_choice_idx": 3}], "'correct_choice_idx' is 3, but there are 3 choices"),
        ([ROW | {"correct_choice_idx": True}], "'correct_choice_idx' is True, but"),
        ([ROW, ROW], "question x stands twice"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, rows)
