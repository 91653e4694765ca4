"""Recognises how a table of text is written: its separator, and whether its fields are quoted as in CSV files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

from frozenvl.data.records.csv_text import (
    Dialect,
    line_end_of,
    lines,
    looks_like_file,
    quoted_rows,
    split_row,
)
from frozenvl.util.errors import UserError

SEPARATORS = ("\t", ",", ";", "|")
HEAD_ROWS = 100
"""Number of first rows from which the separator and the columns are recognised."""
MAX_QUOTED_ROWS = 10_000
"""Number of rows with quotation marks that are looked at to decide whether fields are quoted."""
CLEAR = 20
"""One reading of the quotation marks is taken if it explains this many times more rows than the other one."""

Fields = list[str] | None
"""Fields of a row; None if its quotation marks do not match."""


@dataclass
class Head:
    """First rows of a table, as a dialect divides them."""

    dialect: Dialect
    rows: list[Fields]

    @property
    def width(self) -> int:
        """Number of fields that most rows have."""
        widths = Counter(len(row) for row in self.rows if row and len(row) > 1)
        return widths.most_common(1)[0][0] if widths else 1

    @property
    def share(self) -> float:
        """Share of the rows that have this number of fields; 0 if it is one."""
        full = [row for row in self.rows if row != [""]]
        return sum(len(row or ()) == self.width > 1 for row in full) / max(len(full), 1)

    def names_files(self) -> bool:
        """Tells whether a column names image files, the first row apart, which may be a header."""
        rows = [row for row in self.rows[1:] or self.rows if row and len(row) == self.width]
        return any(all(looks_like_file(row[column]) for row in rows) for column in range(self.width))


def find_dialect(
    data: bytes | mmap,
    start: int,
    is_header: Callable[[list[str]], bool],
    separator: str | None = None,
    quoted: bool | None = None,
) -> Head:
    """Recognises the separator and the quoting of a table.

    Args:
        data: content of the file, as UTF-8.
        start: position of the first row.
        is_header: function that tells whether some fields are the names of the columns.
        separator: separator, if it is known.
        quoted: whether fields may be quoted, if it is known.

    Raises:
        UserError: if no separator divides the rows into columns, several do, or quotation marks contradict each other.
            The message does not name the file.
    """
    heads = [
        _head(data, start, Dialect(mark, _quoted_head(data, start, mark) if quoted is None else quoted))
        for mark in ([separator] if separator else SEPARATORS)
    ]
    head = heads[0] if separator else _best(heads, is_header)
    if quoted is not None:
        return head
    named = bool(head.rows and head.rows[0] and is_header(head.rows[0]))
    dialect = Dialect(head.dialect.separator, _quoted(data, start, head.dialect.separator, named))
    return head if dialect == head.dialect else _head(data, start, dialect)


def _head(data: bytes | mmap, start: int, dialect: Dialect) -> Head:
    spans: Iterator[tuple[int, ...]] = (
        quoted_rows(data, start, dialect.separator, line_end_of(data, start))
        if dialect.quoted
        else lines(data, start, line_end_of(data, start))
    )
    texts = [data[span[0] : span[1]].decode("utf-8", "replace") for span in islice(spans, HEAD_ROWS)]
    return Head(dialect, [split_row(text.rstrip("\r\n"), dialect) for text in texts])


def _best(heads: list[Head], is_header: Callable[[list[str]], bool]) -> Head:
    """Returns the reading whose separator divides the rows evenly; `heads` begins with the one by tabs."""
    named = [head for head in heads if head.rows and head.rows[0] and is_header(head.rows[0])]
    tab = heads[0]
    even = [head for head in heads[1:] if head.share >= 0.9]
    if len(even) > 1:
        even = [head for head in even if head.names_files()] or even
    if len(named) == 1:
        return named[0]
    if tab.share >= 0.5 or (tab.share and not even):
        return tab
    if len(even) == 1:
        return even[0]
    first = repr("\t".join(tab.rows[0] or [""])[:80]) if tab.rows else "empty"
    if even:
        marks = " and ".join(repr(head.dialect.separator) for head in even)
        raise UserError(f"{marks} could both separate its columns; give separator; the first row is {first}")
    raise UserError(
        "no separator (tab, comma, semicolon or |) divides its rows into the same number of columns; correct the "
        f"table, or give separator (Multi30kCaptions reads lines of captions alone); the first row is {first}"
    )


class _Quotes:
    """Evidence for and against quoted fields, from the rows that have quotation marks.

    Attributes:
        needed: rows with a quoted field that a CSV writer had to quote.
        plain: rows with a field in quotation marks that would need none.
        loose: rows with a quotation mark that no CSV writer leaves so.
    """

    def __init__(self, data: bytes | mmap, start: int, stop: int, separator: str) -> None:
        self.needed: list[bytes] = []
        self.plain, self.loose = 0, list[bytes]()
        needed = re.compile(rb'""|[\r\n' + re.escape(separator.encode()) + rb"]")
        line_end = line_end_of(data, start)
        for _ in range(MAX_QUOTED_ROWS):
            quote = data.find(b'"', start, stop)
            if quote < 0:
                return
            start = max(start, data.rfind(line_end, start, quote) + 1)
            _, end, matches = next(quoted_rows(data, start, separator, line_end))
            row = data[start:end]
            if not matches:
                self.loose.append(row)
            elif any(needed.search(field, 1, len(field) - 1) for field in _QUOTED.findall(row)):
                self.needed.append(row)
            else:
                self.plain += 1
            start = end


_QUOTED = re.compile(rb'"(?:[^"]++|"")*+"')


def _quoted_head(data: bytes | mmap, start: int, separator: str) -> bool:
    """Returns a first guess whether fields are quoted, from the first lines."""
    ends = [end for _, end in islice(lines(data, start, line_end_of(data, start)), HEAD_ROWS)]
    quotes = _Quotes(data, start, ends[-1], separator)
    return len(quotes.needed) + quotes.plain > len(quotes.loose)


def _quoted(data: bytes | mmap, start: int, separator: str, named: bool) -> bool:
    """Decides whether fields are quoted, by the quotation marks of the whole file. `named`: it has a header."""
    quotes = _Quotes(data, start, len(data), separator)
    needed, loose = len(quotes.needed), len(quotes.loose)
    if needed and loose and needed < CLEAR * loose and loose < CLEAR * needed:
        shown = [
            repr(rows[0][:60].decode("utf-8", "replace").strip()) for rows in (quotes.needed, quotes.loose)
        ]
        raise UserError(
            f"some fields are quoted as in CSV files ({shown[0]}), but other quotation marks are not ({shown[1]}); "
            "correct these rows, or give quoted: true or false"
        )
    if needed or loose:
        return needed > loose
    # In CSV files, a field in quotation marks is quoted. In other tables, a caption may be a quotation.
    return quotes.plain > 0 and (separator in ",;" or _every_row_quoted(data, start, separator, named))


def _every_row_quoted(data: bytes | mmap, start: int, separator: str, named: bool) -> bool:
    """Tells whether each of the first rows below the header has a quoted field."""
    spans = islice(quoted_rows(data, start, separator, line_end_of(data, start)), int(named), HEAD_ROWS)
    return all(b'"' in data[first:last] for first, last, _ in spans)
