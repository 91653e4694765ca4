"""LLaVA's question files."""

from __future__ import annotations

import json

import pytest
from published_layouts import recognised

from frozenvl.data.sources.llava_eval import LlavaEvalQuestions
from frozenvl.util.errors import UserError

ASK = "Answer the question using a single word or phrase."
ROWS = [
    {
        "question_id": "201307251",
        "image": "n161313.jpg",
        "text": f"Is it overcast?\n{ASK}",
        "category": "default",
    },
    {"question_id": 2, "image": "n2.jpg", "text": "Who?", "category": "adversarial"},
]


def llava_eval(folder, rows=ROWS) -> LlavaEvalQuestions:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "llava_gqa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return LlavaEvalQuestions(str(folder / "llava_gqa.jsonl"), str(folder / "images"))


def test_questions_are_read_with_their_instruction(tmp_path):
    source = llava_eval(tmp_path)
    assert [(e.id, e.image.name, e.question, e.kind) for e in source] == [
        ("201307251", "n161313.jpg", f"Is it overcast? {ASK}", {"category": "default"}),
        ("2", "n2.jpg", "Who?", {"category": "adversarial"}),
    ]
    assert [(e.references, e.answer) for e in source] == [((), "")] * 2 and source.pairs == 0


def test_repeated_ids_are_numbered(tmp_path):
    """TextVQA's file has the image's id for that of each of its questions."""
    rows = [ROWS[1] | {"text": text} for text in ("Who?", "Why?", "When?")]
    assert [(e.id, e.question) for e in llava_eval(tmp_path, rows)] == [
        ("2", "Who?"),
        ("2#2", "Why?"),
        ("2#3", "When?"),
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"text": ""}, "'text' is an empty text"),
        ({"text": ["a"]}, "'text' is a list"),
        ({"image": None}, "'image' is null"),
        ({"question_id": None}, "'question_id' is null"),
    ],
    ids=["empty", "list", "image", "null id"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        llava_eval(tmp_path, [*ROWS, ROWS[0] | {"question_id": 9} | more])


def test_only_its_own_layout_is_recognised():
    assert recognised(LlavaEvalQuestions) == {"LLaVA questions"}
