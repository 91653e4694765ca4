"""The rows of a table of captions: image file, captions, and what is wrong with a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from frozenvl.data.records.dialect import HEAD_ROWS
from frozenvl.data.records.table_columns import NUMBERED, as_list, find_columns
from frozenvl.data.records.table_file import TableFile
from frozenvl.data.records.table_header import Given, is_header
from frozenvl.data.records.values import one_line
from frozenvl.data.shards.record import RECORD, from_record
from frozenvl.prompt import BlackImage
from frozenvl.util.errors import UserError

EMPTY = "it is empty"
"""Problem of a row without any text."""
UNEVEN = "it has "
"""Start of the problem of a row with another number of columns."""
MAX_UNEVEN = 0.4
"""Share of such rows among the first ones from which the table is refused as a whole."""
CHECKED = 20
"""Number of first rows of which at least one has to be usable, and number of images of which one has to exist."""


class Row(NamedTuple):
    """One row of a table of captions. Fields that the table lacks are empty."""

    image: str
    captions: tuple[str, ...]
    id: str = ""
    number: str = ""
    """Number of the caption among those of its image."""
    split: str = ""
    problem: str = ""
    """What is wrong with the row; empty for a row that can be used, which has at least one caption or a record."""
    record: str = ""
    """Record of the whole example as JSON; its targets are the captions."""


class CaptionTable:
    """Rows of a CSV or TSV file with a column of image files and a column of captions.

    Args:
        path: the table.
        columns: role ("caption", "image", "id", "number", "split") → name of the column, or its number from 1. A list
            for several columns of captions. The others are recognised.
        header: whether the first row names the columns; recognised if it is None.
        separator: character between fields; recognised if it is None.
        quoted: whether fields may be quoted as in CSV files; recognised if it is None.
        is_image: function that tells whether there is an image file of some name; None if there are no image files.
        fixed: whether a table without a header has the columns caption, image.

    Raises:
        UserError: if the table is missing or empty, its columns are not clear, it holds URLs, or none of its first rows
            can be used.
    """

    def __init__(
        self,
        path: Path,
        columns: Given | None = None,
        header: bool | None = None,
        separator: str | None = None,
        quoted: bool | None = None,
        is_image: Callable[[str], bool] | None = None,
        fixed: bool = False,
    ) -> None:
        given = columns or {}
        self.file = TableFile(path, lambda fields: is_header(fields, given), separator, quoted)
        first = (self.file[index] for index in range(min(HEAD_ROWS, len(self.file))))
        full = [fields for fields in first if fields and len(fields) == self.file.width]
        try:
            self.columns = find_columns(full, self.file.width, given, header, is_image, fixed)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        self._check([*islice(self, HEAD_ROWS)])

    def _check(self, rows: list[Row]) -> None:
        """Refuses a table whose first rows cannot be used."""
        path, first = self.file.path, rows[:CHECKED]
        if not rows:
            raise UserError(f"{path}: lists no pairs")
        if not any(row.captions or row.record for row in first):
            raise UserError(
                f"{path}: none of its first {len(first)} rows can be used; {self.name(0)}: {first[0].problem}"
            )
        uneven = [index for index, row in enumerate(rows) if row.problem.startswith(UNEVEN)]
        if len(rows) >= CHECKED and len(uneven) >= MAX_UNEVEN * len(rows):
            raise UserError(
                f"{path}: {len(uneven)} of its first {len(rows)} rows have another number of columns than "
                f"{self.file.width}, such as row {self.number(uneven[0])}; correct the separator, or put captions with "
                "line breaks in quotation marks"
            )

    def __len__(self) -> int:
        return len(self.file) - self.columns.header

    def __iter__(self) -> Iterator[Row]:
        return map(self.__getitem__, range(len(self)))

    def number(self, index: int) -> int:
        """Returns the number of a row in the file, from 1, header included."""
        return index + 1 + self.columns.header

    def name(self, index: int) -> str:
        """Returns the name of a row in messages: "pairs.tsv, row 7"."""
        return f"{self.file.path.name}, row {self.number(index)}"

    def first_images(self) -> list[str]:
        """Returns the image files of the first rows."""
        rows = islice(self, HEAD_ROWS)
        return [*islice(dict.fromkeys(row.image for row in rows if not row.problem), CHECKED)]

    def __getitem__(self, index: int) -> Row:
        columns, fields = self.columns, self._fields(range(len(self))[index] + self.columns.header)
        if isinstance(fields, str):
            return Row("", (), problem=fields)
        if not any(field.strip() for field in fields):
            return Row("", (), problem=EMPTY)
        image, number = fields[columns.image].strip(), ""
        if columns.numbered and (match := NUMBERED.fullmatch(image)):
            image, number = match.groups()
        texts = [fields[place] for place in columns.captions]
        if columns.lists:
            texts = as_list(texts[0]) or []
        record = fields[columns.record] if columns.record is not None else ""
        captions = tuple(map(one_line, texts))
        if len(columns.captions) > 1:  # an image may have fewer captions than there are columns
            captions = tuple(filter(None, captions))
        if not image or "\0" in image:
            problem = "no image file"
        elif record:
            captions, problem = _targets(record)
        elif columns.lists and not captions:
            problem = "its caption is not a JSON list of texts"
        else:
            problem = "" if captions and all(captions) else "no caption"

        def optional(place: int | None) -> str:
            return "" if place is None else fields[place].strip()

        return Row(
            image,
            () if problem else captions,
            optional(columns.id),
            optional(columns.number) or number,
            optional(columns.split),
            problem,
            "" if problem else record,
        )

    def _fields(self, row: int) -> list[str] | str:
        """Returns as many fields as the table has columns, or what is wrong with the row."""
        fields, width, dialect = self.file[row], self.file.width, self.file.dialect
        if fields is None:
            return "a quotation mark at the start of a field has no counterpart at its end"
        if len(fields) > width == 2 and not dialect.quoted:  # the caption contains separators
            last = self.columns.image > self.columns.captions[0]
            parts = fields[:-1] if last else fields[1:]
            text = dialect.separator.join(parts)
            return [text, fields[-1]] if last else [fields[0], text]
        if len(fields) == width or not any(field.strip() for field in fields):
            return fields
        return f"{UNEVEN}{len(fields)} column{'s' if len(fields) > 1 else ''}, not {width}"


def _targets(record: str) -> tuple[tuple[str, ...], str]:
    """Returns the targets of a record, and what is wrong with it."""
    try:
        return from_record(json.loads(record), BlackImage()).targets, ""
    except ValueError:
        return (), f"{RECORD!r} is not an example's record"
