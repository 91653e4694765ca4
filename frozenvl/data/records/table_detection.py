"""Recognises tables of captions by their first bytes."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from frozenvl.data.records.csv_text import looks_like_file
from frozenvl.data.records.dialect import find_dialect
from frozenvl.data.records.table_header import is_header
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import GZIP, OTHER_FORMATS

HEAD_BYTES = 2**16
"""Number of bytes that are looked at."""


def looks_like_table(path: Path) -> bool:
    """Tells whether a file is a CSV or TSV table for `TableCaptions`.

    Its rows have the same number of fields, and it has a header that names captions and images, or a column of image
    files or URLs. Image files need not exist.
    """
    try:
        data = _head(path)
        if b"\0" in data or data.lstrip()[:1] in (b"", b"{", b"[") or data.startswith((*OTHER_FORMATS,)):
            return False
        head = find_dialect(data, 0, lambda fields: is_header(fields, {}))
    except (OSError, EOFError, zlib.error, UserError):
        return False
    rows = [row for row in head.rows if row and len(row) == head.width]
    if any(
        field.strip().lower() == "videoid" for field in rows[0]
    ):  # `VideoTable` and `MSVD` read such tables
        return False
    if is_header(rows[0], {}):
        return True
    columns = zip(*(rows[1:] or rows), strict=True)  # the first row may be a header of other names
    return head.share >= 0.9 and any(
        all(looks_like_file(field) or "://" in field for field in column) for column in columns
    )


def _head(path: Path) -> bytes:
    """Returns the first lines of a text file, as UTF-8."""
    with path.open("rb") as file:
        data = file.read(HEAD_BYTES)
    if data.startswith(GZIP):
        with gzip.open(path) as unpacked:
            data = unpacked.read(HEAD_BYTES)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    return data if len(data) < HEAD_BYTES else data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
