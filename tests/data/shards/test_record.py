"""Examples as JSON records."""

from __future__ import annotations

import json

import pytest

from frozenvl.data.shards.record import as_record, from_record
from frozenvl.prompt import BlackImage, Example


def test_records_become_examples_and_other_json_is_refused():
    example = Example("i", BlackImage(), "p", ("a", "b"), "why?", "a", {"answer_type": "other"})
    assert from_record(json.loads(json.dumps(as_record(example))), example.image) == example
    for change in ({"references": [1]}, {"references": None}, {"kind": {"a": 3}}, {"id": None}):
        with pytest.raises(ValueError, match="record"):
            from_record(as_record(example) | change, example.image)
    with pytest.raises(ValueError, match="record"):
        from_record([], example.image)
