"""Reads text files as people have them: UTF-8 with or without a byte order mark, UTF-16, gzip."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from frozenvl.util.errors import UserError

ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Byte order mark → name of the encoding."""
GZIP = b"\x1f\x8b"
OTHER_FORMATS = {
    b"PK\x03\x04": ("a zip archive", "unpack it"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it (zstd -d)"),
    b"BZh": ("compressed with bzip2", "unpack it (bunzip2)"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it (unxz)"),
    b"PAR1": ("a Parquet file", "read it with the source HuggingFaceData"),
}
"""First bytes of files that hold no text → (what the file is, what to do)."""


def read_text(path: Path) -> str:
    """Reads a text file whole. A byte order mark is removed, and a gzip file is unpacked.

    Raises:
        UserError: if the file is missing, is no text or is in an encoding that it does not name.
    """
    return as_text(read_plain(path), path)


def text_lines(path: Path) -> list[str]:
    """Reads the lines of a text file, without their ends and without empty lines at the end. Errors: see `read_text`.

    Only line feeds and carriage returns end lines, not other Unicode line breaks (such as U+2028).
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    return text.split("\n") if text else []


def read_plain(path: Path) -> bytes:
    """Reads the bytes of a file, unpacked if it is a gzip file.

    Raises:
        UserError: if the file is missing, damaged, or compressed in another way.
    """
    try:
        data = path.read_bytes()
        if data.startswith(GZIP):
            return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: a damaged gzip file ({error}); download it again") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason})") from None
    for start, (what, remedy) in OTHER_FORMATS.items():
        if data.startswith(start):
            raise UserError(f"{path}: {what}, not a text file; {remedy}")
    return data


def as_text(data: bytes, path: Path) -> str:
    """Decodes the content of a text file.

    Args:
        data: content, not compressed.
        path: file name in the error line.

    Raises:
        UserError: if the bytes are neither UTF-8 nor UTF-16 with a byte order mark.
    """
    if data[257:262] == b"ustar":
        raise UserError(f"{path}: a tar, not a text file; read it with the source Shards")
    encoding = next((name for mark, name in ENCODINGS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8" and b"\0" in data[:1024]:
            raise UserError(f"{path}: a binary file, not a text file; check the path") from None
        kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: not {kind} text ({error.reason} at byte {error.start}, line {line}); convert it, such as with "
            "`iconv -f latin1 -t utf-8`"
        ) from None
