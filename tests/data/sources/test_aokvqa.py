"""A-OKVQA's layout."""

from __future__ import annotations

import pytest
from vqa_files import write

from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.util.errors import UserError


def test_questions_answers_and_difficulty_are_read(tmp_path):
    rows = [
        {
            "question_id": "x",
            "image_id": 5,
            "question": "Q",
            "direct_answers": ["a", "b", "b"],
            "difficult_direct_answer": False,
        },
        {"question_id": "y", "image_id": 6, "question": "Q"},
    ]
    source = AOKVQAQuestions(write(tmp_path, "a.json", rows), str(tmp_path / "images"))
    assert (source[0].answer, source[0].kind) == ("b", {"difficult_direct_answer": "False"})
    assert source[0].image.name == "000000000005.jpg" and source[0].image_id == "coco/5"
    assert source[1].references == () and source.pairs == 1
    with pytest.raises(UserError, match="not A-OKVQA's JSON"):
        AOKVQAQuestions(write(tmp_path, "a.json", {"questions": []}), str(tmp_path / "images"))
