"""A table of text whose rows are read one at a time from the disk."""

from __future__ import annotations

import codecs
import mmap
import re
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from frozenvl.data.records.csv_text import line_end_of, quoted_rows, split_row
from frozenvl.data.records.dialect import Fields, find_dialect
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json
from frozenvl.util.text_files import GZIP, OTHER_FORMATS, as_text, read_plain

EXCEL = re.compile(rb"sep=([\t -!#-~])\r?\n")
"""First line that Excel writes to tell the separator."""
CHUNK = 2**24
"""Bytes of the table that are searched for line ends at a time."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TableFile:
    """A CSV or TSV file: a sequence of rows, each a list of fields.

    The file stays on disk, and memory use is eight bytes per row. Files in gzip or UTF-16 are held in memory. Bytes
    that are not UTF-8 become U+FFFD.

    Args:
        path: the file.
        is_header: function that tells whether some fields are the names of the columns.
        separator: character between fields; recognised if it is None.
        quoted: whether fields may be quoted as in CSV files; recognised if it is None.

    Raises:
        UserError: if the file is missing, empty or no text, or its separator or quoting is not clear.
    """

    def __init__(
        self,
        path: Path,
        is_header: Callable[[list[str]], bool],
        separator: str | None = None,
        quoted: bool | None = None,
    ) -> None:
        self.path = path
        if path.is_dir():
            from frozenvl.data.detect import hint

            raise UserError(f"{path}: a folder, not a table; {hint(path)}")
        if not path.is_file():
            raise UserError(f"{path}: no such table; name the data's folder with --data.root")
        separator = {"\\t": "\t", "tab": "\t"}.get(separator or "", separator)
        if separator is not None and not re.fullmatch(r"[\t -!#-~]", separator):
            raise UserError(f"separator {separator!r}: not one character; give such as tab or ','")
        self._data = self._open()
        start = len(codecs.BOM_UTF8) if self._data[:3] == codecs.BOM_UTF8 else 0
        if told := EXCEL.match(self._data, start):  # `match` takes a mmap, too
            start, separator = told.end(), separator or told[1].decode()
        if not self._data[start : start + 4096].strip():
            raise UserError(f"{path}: lists no pairs")
        self._refuse_others(self._data[start : start + 4096])
        try:
            head = find_dialect(self._data, start, is_header, separator, quoted)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        self.dialect, self.width = head.dialect, head.width
        if self.width == 1:
            raise UserError(
                f"{path}: separator {separator!r} divides none of its first rows; give another one"
            )
        ends = self._quoted_ends(start) if self.dialect.quoted else self._line_ends(start)
        self._starts = np.concatenate([[start], *ends])
        if self._starts[-1] < len(self._data):  # the last line has no newline
            self._starts = np.append(self._starts, len(self._data))

    def _open(self) -> bytes | mmap.mmap:
        with self.path.open("rb") as file:
            first = file.read(4)
            if first.startswith((GZIP, *OTHER_FORMATS, *UTF_16)):
                data = read_plain(self.path)
                return as_text(data, self.path).encode() if data.startswith(UTF_16) else data
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if first else b""

    def _refuse_others(self, first: bytes) -> None:
        """Refuses text files of other layouts and UTF-16 without a byte order mark, by the first bytes."""
        from frozenvl.data.detect import advice, detect

        if first.count(0) * 4 > len(first):
            raise UserError(
                f"{self.path}: not UTF-8 text (it holds NUL bytes); convert it, such as with `iconv -f utf-16 -t utf-8`"
            )
        if first.lstrip()[:1] in (b"{", b"["):
            try:
                content = read_json(self.path)
            except UserError:  # a caption may begin so, too
                return
            raise UserError(f"{self.path}: JSON, not a table; {advice(self.path, content)}")
        text = first.decode("utf-8", "replace")
        if detect(text):
            raise UserError(f"{self.path}: not a table; {advice(self.path, text)}")

    def _line_ends(self, start: int) -> Iterator[np.ndarray]:
        line_end = ord(line_end_of(self._data, start))
        for begin in range(0, len(self._data), CHUNK):
            part = np.frombuffer(self._data[begin : begin + CHUNK], np.uint8)
            ends = np.flatnonzero(part == line_end) + begin + 1
            yield ends[np.searchsorted(ends, start, side="right") :]

    def _quoted_ends(self, start: int) -> Iterator[np.ndarray]:
        rows = quoted_rows(self._data, start, self.dialect.separator, line_end_of(self._data, start))
        while ends := array("q", (end for _, end, _ in islice(rows, 2**16))):
            yield np.array(ends)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | ({"_data": None} if isinstance(self._data, mmap.mmap) else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._data is None:
            self._data = self._open()

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> Fields:
        """Returns the fields of a row; None if its quotation marks do not match."""
        row = range(len(self))[index]
        line = self._data[self._starts[row] : self._starts[row + 1]]
        return split_row(line.decode("utf-8", "replace").rstrip("\r\n"), self.dialect)
