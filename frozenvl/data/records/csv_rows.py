"""Rows of a table by the names of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from frozenvl.util.errors import UserError


def header_of(text: str) -> list[str]:
    """Returns the names of a table's columns; of any text, the fields of its first line."""
    first = first_line(text).strip()
    try:
        return [name.strip() for name in next(csv.reader([first], delimiter=separator_of(text)), [])]
    except csv.Error:  # a line of text
        return []


def separator_of(text: str) -> str:
    """Returns the separator of a table's first line: a tab or a comma."""
    first = first_line(text)
    return "\t" if first.count("\t") > first.count(",") else ","


def first_line(text: str) -> str:
    """Returns the text up to the first line feed or carriage return."""
    return text.partition("\n")[0].partition("\r")[0]


def csv_rows(path: Path, text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line number, fields by column) of a table with a header, separated by commas or tabs.

    Args:
        path: the table, for messages.
        text: content of the table.
        columns: columns that it must have.

    Raises:
        UserError: if a column is missing, or a row has another number of fields than the header.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    try:
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in columns if name not in header]:
            has = ", ".join(map(repr, header)) or "nothing"
            raise UserError(f"{path}: has no column {missing[0]!r}, but {has:.200}")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise UserError(
                    f"{path}: line {reader.line_num} has {len(fields)} fields, the header {len(header)}; correct it"
                )
            yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise UserError(
            f"{path}: line {reader.line_num} is no row of a table ({error}); correct it"
        ) from None
