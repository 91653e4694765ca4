"""Scans a WebDataset tar for the offsets of its members. Nothing is ever extracted, so hostile names do no harm."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from frozenvl.data.shards.keys import Keys
from frozenvl.data.shards.notes import IGNORED, Notes, printable
from frozenvl.data.shards.rows import ROW, Sample, row_of
from frozenvl.util.errors import UserError

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
"""First two bytes of a compressed file → name of the compression."""


@dataclass
class Scan:
    """Result of scanning a tar."""

    rows: np.ndarray
    """Samples, of type `ROW`."""
    keys: list[str]
    """Unique keys, one per row."""
    size: int
    """Size of the tar, in bytes."""
    notes: Notes
    suffixes: list[str]
    """Suffixes of its image members; rows hold positions in this list."""
    broken: str
    """Damage of the tar; empty if it is intact."""


def scan(file: BinaryIO, name: str, keys: Keys) -> Scan:
    """Reads the headers, texts and records of a tar, up to its end or to the first damage.

    Args:
        file: seekable file.
        name: name of the tar, for error lines.
        keys: names of images and texts.

    Raises:
        UserError: if the file is empty, compressed or not a tar.
    """
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise UserError(f"{name}: is empty (0 bytes); remove it, or download it again")
    file.seek(0)
    start = file.read(4)
    if start == b"PAR1":
        raise no_tar_but_parquet(name)
    if compression := COMPRESSED.get(start[:2]):
        raise UserError(
            f"{name}: compressed ({compression}), but reading at random needs a plain tar; unpack it"
        )
    file.seek(0)
    samples: list[Sample] = []
    notes = Notes()
    broken = ""
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            try:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # otherwise all are kept in memory
                    _add_member(member, size, samples, notes)
                broken = _check_end(file, tar.offset, size)
            except (tarfile.TarError, ValueError, OverflowError) as error:
                cut = "unexpected end" in str(error)
                broken = f"is truncated at byte {size}" if cut else f"is damaged at byte {tar.offset}"
    except (tarfile.TarError, ValueError, OverflowError) as error:
        from frozenvl.data.detect import hint

        raise UserError(f"{name}: not a tar ({error}); {hint(Path(name), 'download it again')}") from None
    rows: list[tuple[int, ...]] = []
    names: list[str] = []
    seen: dict[str, int] = {}
    suffixes: dict[str, int] = {}
    key_end = 0
    for sample in samples:
        row = row_of(file, sample, keys, suffixes, notes)
        if row is None:
            continue
        key = _unique_key(sample.key, seen)
        notes.add("repeated keys", key != sample.key)
        key_end += len(key.encode())
        names.append(key)
        rows.append((*row[:4], key_end, *row[4:]))
    return Scan(np.array(rows, ROW), names, size, notes, list(suffixes), broken)


def no_tar_but_parquet(name: str) -> UserError:
    """Returns the error for a Parquet file in place of a tar."""
    return UserError(f"{name}: Parquet, but Shards reads tars; use HuggingFaceData (--path {name})")


def _add_member(member: tarfile.TarInfo, size: int, samples: list[Sample], notes: Notes) -> None:
    """Adds a member to the last sample, or to a new one if its key differs or its suffix is already there."""
    folder, slash, base = member.name.rpartition("/")
    stem, _, suffix = base.partition(".")  # as webdataset splits names
    if not member.isreg() or member.issparse() or not stem or not suffix:
        plain = member.isreg() and not member.issparse()
        kind = "not a plain file" if not plain else "without a suffix" if stem else "hidden file"
        notes.add(IGNORED, not member.isdir(), [kind])
        return
    key, suffix = printable(folder + slash + stem), suffix.lower()
    if not samples or samples[-1].key != key or suffix in samples[-1].members:
        samples.append(Sample(key))
    cut = member.offset_data + member.size > size
    samples[-1].members[suffix] = (0, 0) if cut else (member.offset_data, member.size)


def _check_end(file: BinaryIO, offset: int, size: int) -> str:
    """Returns what is wrong at the end of a tar, where its header blocks stop at `offset`; empty if nothing is."""
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        return f"is truncated at byte {size}"
    if any(block):
        return f"is damaged at byte {offset}"
    while block := file.read(2**20):
        if block.count(0) != len(block):
            return f"holds more data behind its end at byte {offset} (tars joined?)"
    return ""


def _unique_key(key: str, seen: dict[str, int]) -> str:
    """Returns the key, with a suffix `#n` if it was seen before."""
    new, number = key, seen.get(key, 1)
    while new in seen:
        number += 1
        new = f"{key}#{number}"
    seen[new] = 1
    seen[key] = number  # the next search starts here
    return new
