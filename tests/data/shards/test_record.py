"""Examples as JSON records."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from frozenvl.data.shards.record import as_record, from_record
from frozenvl.prompt import BlackImage, Example, Turn


def test_records_become_examples_and_other_json_is_refused():
    example = Example("i", BlackImage(), "p", ("a", "b"), "why?", "a", {"answer_type": "other"})
    assert from_record(json.loads(json.dumps(as_record(example))), example.image) == example
    for change in (
        {"boxes": [[1, 2]]},
        {"boxes": [["a", 1, 1, 1]]},
        {"references": [1]},
        {"references": None},
        {"kind": {"a": 3}},
        {"id": None},
    ):
        with pytest.raises(ValueError, match="record"):
            from_record(as_record(example) | change, example.image)
    with pytest.raises(ValueError, match="record"):
        from_record([], example.image)


def test_every_field_of_an_example_is_kept():
    image = BlackImage()
    turn = Turn((image, "what is it?"), "a dog", "t", ("a dog", "a cat"), 0, (1.0, 0.5))
    whole = Example(
        id="i",
        image=image,
        image_id="p",
        references=("a", "b"),
        question="why?",
        answer="a",
        kind={"answer_type": "other"},
        scores={"a": 0.5},
        choices=("a", "b"),
        turns=(turn,),
        system="Answer in one word.",
        boxes=((0.1, 0.2, 0.5, 0.75), (0.0, 0.0, 1.0, 1.0)),
    )
    plain = Example("", image, "")
    assert all(getattr(whole, field.name) != getattr(plain, field.name) for field in fields(Example)[2:])
    assert from_record(json.loads(json.dumps(as_record(whole))), image) == whole
