"""ScienceQA's questions."""

from __future__ import annotations

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.scienceqa import ScienceQAQuestions
from frozenvl.util.errors import UserError


def problem(**more) -> dict:
    return {
        "question": "Which is a mammal?",
        "choices": ["frog", "dog", "carp"],
        "answer": 1,
        "hint": "Look.",
        "image": "image.png",
        "subject": "natural science",
        "lecture": "Mammals …",
        "split": "train",
    } | more


ROWS = {
    "1": problem(),
    "2": problem(image=None),
    "3": problem(split="test", answer=0, subject="social science"),
    "4": problem(answer=2),
}


def scienceqa(folder, rows=ROWS, **more) -> ScienceQAQuestions:
    return ScienceQAQuestions(write(folder, "problems.json", rows), str(folder / "images"), **more)


def test_questions_with_an_image_are_read(tmp_path):
    source = scienceqa(tmp_path)
    assert [(e.id, e.question, e.answer, e.references, e.choices) for e in source] == [
        ("1", "Which is a mammal?", "dog", ("dog",), ("dog", "frog", "carp")),
        ("4", "Which is a mammal?", "carp", ("carp",), ("carp", "frog", "dog")),
    ]
    assert source[1].image.path == tmp_path / "images/train/4/image.png"
    assert len(set(source.image_ids())) == 2 and source[0].kind == {"subject": "natural science"}
    assert source.notes == {"questions without an image left out": 1}


def test_splits(tmp_path):
    (example,) = scienceqa(tmp_path, split="test")
    assert (example.id, example.answer, example.kind) == ("3", "frog", {"subject": "social science"})
    assert [e.id for e in scienceqa(tmp_path, split="all")] == ["1", "3", "4"]
    with pytest.raises(UserError, match="lists no questions in split 'val'"):
        scienceqa(tmp_path, split="val")
    with pytest.raises(UserError, match="unknown split 'dev'; choose one of train, val, test, all"):
        scienceqa(tmp_path, split="dev")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"answer": 3}, "'answer' is 3, not the index of one of 3 choices"),
        ({"answer": -1}, "'answer' is -1"),
        ({"answer": True}, "'answer' is True"),
        ({"answer": "dog"}, "'answer' is 'dog'"),
        ({"answer": None}, "'answer' is None"),
        ({"choices": []}, "'choices' is an empty list"),
        ({"choices": ["a", ""]}, r"choices\[1\] is an empty text"),
        ({"choices": ["a", 2]}, r"choices\[1\] is a number"),
        ({"image": 7}, "'image' is a number"),
        ({"split": None}, "'split' is null"),
    ],
    ids=lambda value: next(iter(value)) + repr(next(iter(value.values()))) if isinstance(value, dict) else "",
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, message):
    with pytest.raises(UserError, match=message):
        scienceqa(tmp_path, ROWS | {"9": problem(**more)})


def test_only_its_own_layout_is_recognised():
    assert recognised(ScienceQAQuestions) == {"ScienceQA"}
