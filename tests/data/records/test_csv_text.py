"""Rows and fields of tables, with and without quoting."""

from __future__ import annotations

import pytest

from frozenvl.data.records.csv_text import (
    Dialect,
    line_end_of,
    lines,
    looks_like_file,
    quoted_rows,
    split_row,
)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        *((name, True) for name in ("1.jpg", " a b/c.JPEG ", "x.webp#3", "COCO_train2014_000000000009#0", "2.jpg.1#0")),
        *((name, False) for name in ("", "a dog", ".jpg", "http://x.org/1.jpg", "see 1.jpg.", "a dog #1 b", "12")),
    ],
)  # fmt: skip
def test_names_of_image_files_are_recognised(field, expected):
    assert looks_like_file(field) is expected


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('a,"b, ""c"""', ["a", 'b, "c"']),
        ('a, "b" ,c', ["a", "b", "c"]),
        ('"",', ["", ""]),
        ('"two\nlines",x', ["two\nlines", "x"]),
        ('24" tv,a "b"', ['24" tv', 'a "b"']),
        ('"open,x', None),
        ('"a" b,x', None),
    ],
)
def test_quoted_fields_are_unquoted(text, fields):
    assert split_row(text, Dialect(",", True)) == fields
    assert split_row(text, Dialect(",", False)) == text.split(",")


def spans(data: bytes, line_end: bytes = b"\n") -> list[tuple[bytes, bool]]:
    return [(data[start:end], matches) for start, end, matches in quoted_rows(data, 0, ",", line_end)]


def test_a_quoted_field_may_contain_line_breaks():
    data = b'a,"b\nc"\r\n\r\nd,e'
    assert spans(data) == [(b'a,"b\nc"\r\n', True), (b"\r\n", True), (b"d,e", True)]
    assert spans(b'a,"b\rc"\rd,e\r', b"\r") == [(b'a,"b\rc"\r', True), (b"d,e\r", True)]


def test_a_row_whose_quotation_marks_do_not_match_is_one_line():
    assert spans(b'a,"b\nc,d"x"\ne,f\n') == [(b'a,"b\n', False), (b'c,d"x"\n', False), (b"e,f\n", True)]
    assert spans(b'a,"b\nc') == [(b'a,"b\n', False), (b"c", True)]


def test_lone_quotation_marks_do_not_join_rows():
    """One begins a caption, the other ends a later caption."""
    data = b'1.jpg,"go\n2.jpg,a dog\n3.jpg,said he"\n'
    assert spans(data) == [(line, line.startswith(b"2")) for line in data.splitlines(keepends=True)]


@pytest.mark.parametrize(
    ("data", "line_end", "rows"),
    [
        (b"a\nb", b"\n", [b"a\n", b"b"]),
        (b"a\r\nb\r\n", b"\n", [b"a\r\n", b"b\r\n"]),
        (b"a\rb\r", b"\r", [b"a\r", b"b\r"]),
        (b"a\r", b"\r", [b"a\r"]),
        (b"a\r\n", b"\n", [b"a\r\n"]),
        (b"a\rb\nc\n", b"\n", [b"a\rb\n", b"c\n"]),
        (b"a\rb\rc\r\n", b"\r", [b"a\r", b"b\r", b"c\r", b"\n"]),
        (b"a\x0b\xe2\x80\xa8\x85\n", b"\n", [b"a\x0b\xe2\x80\xa8\x85\n"]),
        (b"a", b"\n", [b"a"]),
    ],
)
def test_lines_end_in_one_way(data, line_end, rows):
    assert line_end_of(data, 0) == line_end
    assert [data[start:end] for start, end in lines(data, 0, line_end)] == rows
