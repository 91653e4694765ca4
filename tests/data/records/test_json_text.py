"""JSON that is parsed value by value, whatever the pieces in which its text is read."""

from __future__ import annotations

import io
import json

import pytest

from frozenvl.data.records import json_text
from frozenvl.data.records.json_text import JsonText

ENTRIES = [{"a": 1}, {"b": ["ü", "\u2028", '😀\\"']}, [], 12, -1.5e3, "text, {", None, True, {"c": {}}, 7]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("form", [{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_entries_do_not_depend_on_the_pieces(monkeypatch, size, form):
    monkeypatch.setattr(json_text, "CHUNK", size)
    text = JsonText(io.BytesIO(json.dumps(ENTRIES, **form).encode() + b" \n"))
    assert text.take("[") and [*text.entries()] == ENTRIES and text.next() == ""


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_the_place_is_counted_in_bytes(monkeypatch, size):
    monkeypatch.setattr(json_text, "CHUNK", size)
    written = json.dumps(["ü😀", {"ü": 1}, 22], ensure_ascii=False).encode()
    text = JsonText(io.BytesIO(written))
    assert text.take("[") and text.byte == 1
    text.value()
    assert text.byte == written.index(b", {")
    assert text.take(",") and text.value() == {"ü": 1} and text.byte == written.index(b", 22")


@pytest.mark.parametrize(
    "broken", ["[1 2]", '[{"a": 1} {"a": 1}]', "[1,]", "[1", '["a', "[nul]", '[{"a": 1}, {]', "["]
)
@pytest.mark.parametrize("size", [1, 1000])
def test_broken_json_is_an_error(monkeypatch, broken, size):
    monkeypatch.setattr(json_text, "CHUNK", size)
    text = JsonText(io.BytesIO(broken.encode()))
    assert text.take("[")
    with pytest.raises(ValueError):
        [*text.entries()]
