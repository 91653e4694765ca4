"""Divides the text of a table into rows and fields, with or without CSV's quoting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from mmap import mmap
from typing import NamedTuple

FILE = re.compile(r"\S.*\.(?:avif|bmp|gif|jfif|jp2|jpe?g|png|ppm|tiff?|webp)(?:#\d+)?|\S+#\d+", re.I)
"""Name of an image file, or a name with the number of a caption as in Flickr30k: `1000.jpg#0`."""


class Dialect(NamedTuple):
    """Separator of the fields, and whether fields may be quoted: `"a ""big"" dog"`."""

    separator: str
    quoted: bool


def looks_like_file(field: str) -> bool:
    """Tells whether a field is written like the name of an image file."""
    return "://" not in field and FILE.fullmatch(field.strip()) is not None


def split_row(text: str, dialect: Dialect) -> list[str] | None:
    """Returns the fields of a row; None if a quoted field does not end with its quotation mark."""
    if not dialect.quoted or '"' not in text:
        return text.split(dialect.separator)
    fields, position = [], 0
    pattern = _field(dialect.separator)
    while position <= len(text):
        match = pattern.match(text, position)
        assert match is not None  # the second alternative matches any text
        quoted, plain = match.groups()
        if quoted is None and plain.lstrip(" ").startswith('"'):
            return None
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end() + 1
    return fields


@cache
def _field(separator: str) -> re.Pattern[str]:
    mark = re.escape(separator)
    return re.compile(rf' *"((?:[^"]++|"")*+)" *(?={mark}|\Z)|([^{mark}]*+)')


@cache
def _record(separator: str, line_end: bytes) -> re.Pattern[bytes]:
    """Returns the pattern of a row, line end included, in which every quotation mark belongs to a quoted field."""
    mark = re.escape(separator).encode()
    field = rb'(?: *+"(?:[^"]++|"")*+" *+|[^"' + mark + line_end + rb"]*+)"
    return re.compile(field + rb"(?:" + mark + field + rb")*+(?:\r?" + line_end + rb"|\Z)")


def quoted_rows(
    data: bytes | mmap, start: int, separator: str, line_end: bytes
) -> Iterator[tuple[int, int, bool]]:
    """Yields (start, end, whether all its quotation marks match) of the rows of a quoted table, line ends included.

    A quoted field may contain line breaks. A row whose quotation marks do not match is one line.
    """
    pattern = _record(separator, line_end)
    while start < len(data):
        match = pattern.match(data, start)
        matches = match is not None and not _joins_rows(match[0], separator)
        end = match.end() if match is not None and matches else next(lines(data, start, line_end))[1]
        yield start, end, matches
        start = end


def _joins_rows(record: bytes, separator: str) -> bool:
    """Tells whether whole rows stand between two lone quotation marks: one that begins a text, and one that ends a
    later text.
    """
    lines = record.splitlines()
    return len(lines) > 1 and all(
        separator.encode() in line
        and any(map(looks_like_file, line.decode("utf-8", "replace").replace('"', "").split(separator)))
        for line in lines
    )


def lines(data: bytes | mmap, start: int, line_end: bytes) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of the lines of a text, line ends included."""
    while start < len(data):
        end = data.find(line_end, start) + 1 or len(data)
        yield start, end
        start = end


def line_end_of(data: bytes | mmap, start: int) -> bytes:
    r"""Returns the byte that ends the lines: "\n", or "\r" in files of old Mac programs."""
    head = data[start : start + 2**16]
    alone = b"\r" in head.replace(b"\r\n", b"")
    return b"\r" if alone and b"\n" not in head.rstrip(b"\r\n") else b"\n"
