"""Decoding of texts, several captions in one, and the reasons why there is none."""

from __future__ import annotations

import json

import pytest

from frozenvl.data.shards.texts import captions, decoded, in_json, parsed, text_keys, why_no_text

TEXT = "ein Mädchen 犬 🙂"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["bare", "lf", "crlf"])
def test_a_text_in_unicode_is_read_without_its_byte_order_mark(encoding, end):
    mark = "\ufeff" if encoding[-2:] in ("le", "be") else ""
    assert captions(decoded((mark + TEXT + end).encode(encoding)), "joined") == (TEXT,)


def test_bytes_that_are_not_utf_8_are_marked():
    assert decoded("Mädchen".encode("latin-1")) == "M\ufffddchen"
    assert decoded("ab".encode("utf-16")[:-1]) == "a\ufffd"
    assert parsed('{"caption": "Mädchen"}'.encode("latin-1")) == {"caption": "M\ufffddchen"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_json_in_unicode_is_parsed(encoding):
    assert parsed(json.dumps({"caption": TEXT}, ensure_ascii=False).encode(encoding)) == {"caption": TEXT}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"a dog"], ids=["empty", "cut", "deep", "text"]
)
def test_a_member_that_is_not_json_is_refused(content):
    with pytest.raises(ValueError):
        parsed(content)


@pytest.mark.parametrize(
    ("text", "joined", "lines"),
    [
        (" two  words ", ("two words",), ("two words",)),
        ("a\nb", ("a b",), ("a", "b")),
        ("\r\n a\r\n\r\n \nb c \r\n", ("a b c",), ("a", "b c")),
        ("a\rb", ("a b",), ("a", "b")),
        ("\ufeffa\n\ufeffb", ("a b",), ("a", "b")),
        ("a\u2028b\x85c", ("a b c",), ("a b c",)),
        (" \n\ufeff\n", (), ()),
        ("", (), ()),
        (["a\nb", " ", "\ufeffc"], ("a b", "c"), ("a b", "c")),
    ],
    ids=range(9),
)
def test_lines_are_one_caption_or_one_each(text, joined, lines):
    assert captions(text, "joined") == joined
    assert captions(text, "captions") == lines


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"b": "x", "a": "y"}, "y"),
        ({"b": "x"}, "x"),
        ({"a": " ", "b": ["x", "y"]}, ["x", "y"]),
        ({"a": None, "b": "x"}, "x"),
        ({"a": " ", "b": 3}, " "),
        ({"c": "x"}, None),
        ("x", "x"),
        (["x", 3], None),
        (None, None),
    ],
    ids=range(9),
)
def test_the_text_in_json_is_the_first_name_that_is_not_empty(value, found):
    assert in_json(value, ("a", "b")) == found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no text"),
        (b"{", "has no text (its .json is not JSON)"),
        (b"7", "has no text (its .json is a number)"),
        ({"b": None}, "has no text ('b' in its .json is null)"),
        ({"a": 7, "b": None}, "has no text ('a' in its .json is a number)"),
        ({"a": float("nan")}, "has no text ('a' in its .json is a number)"),
        ({"a": True}, "has no text ('a' in its .json is true)"),
        ({"a": {"en": "x"}}, "has no text ('a' in its .json is an object)"),
        ({"a": []}, "has no text ('a' in its .json is an empty list)"),
        ({"a": ["x", None]}, "has no text ('a' in its .json is a list that holds null)"),
        ({"a": ["x", ["y"]]}, "has no text ('a' in its .json is a list that holds a list)"),
        ({}, "has no text (its .json has none of the text_key a;b, but nothing)"),
        (
            dict.fromkeys(["title", "new\nline", *"12345"], ""),
            r"has no text (its .json has none of the text_key a;b, but title, new\nline, 1, 2, 3, …)",
        ),
    ],
    ids=range(13),
)
def test_the_reason_for_no_text_is_one_line(content, reason):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert why_no_text(content, ("a", "b")) == reason


def test_the_keys_of_texts_are_found():
    assert text_keys({"title": "a", "width": 3, "all": ["a", "b"], "exif": {}, "none": []}) == [
        "title",
        "all",
    ]
    assert text_keys(["a"]) == text_keys(None) == []
