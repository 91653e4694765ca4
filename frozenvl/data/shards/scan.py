"""Scans a WebDataset tar for the offsets of its members. Nothing is ever extracted, so hostile names do no harm."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from frozenvl.data.shards.record import from_record
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.prompt import BlackImage
from frozenvl.util.errors import UserError

SUFFIXES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm")
"""Suffixes of image members. Indices store positions in this tuple."""
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
"""First two bytes of a compressed file → name of the compression."""
LONGEST_TEXT = 2**24
"""Maximum number of bytes read of a text or record."""

ROW = np.dtype(
    [
        ("image", "<u8"),  # offsets and sizes in bytes; offset 0: the sample has no such member
        ("image_size", "<u8"),
        ("words", "<u8"),
        ("words_size", "<u8"),
        ("key_end", "<u8"),  # end of its key in the shard's concatenated keys
        ("texts", "<u4"),  # number of target texts
        ("coco", "<u4"),  # COCO's number of the photograph; 0: not known to be COCO's
        ("form", "u1"),  # one of `Form`
        ("suffix", "u1"),  # position in `SUFFIXES`
    ]
)
"""Index row of a sample."""


class Form:
    """Kind of member that holds the text of a sample. Plain integers, because `enum` look-ups are slow per sample."""

    NONE = 0
    """No text."""
    TEXT = 1
    """Text of a `.txt` member."""
    CAPTION = 2
    """Value of `caption` in a `.json` member."""
    PACKED = 3
    """Value of `frozenvl` in a `.json` member: a complete example."""


@dataclass
class Scan:
    """Result of scanning a tar."""

    rows: np.ndarray
    """Samples, of type `ROW`."""
    keys: list[str]
    """Unique keys, one per row."""
    size: int
    """Size of the tar, in bytes."""
    notes: Counter[str]
    """Oddities: kind → count."""
    broken: str
    """Damage of the tar; empty if it is intact."""


@dataclass
class _Sample:
    key: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Suffix → (offset, size) of the member; offset 0 if it is cut off."""


def scan(file: BinaryIO, name: str) -> Scan:
    """Reads the headers, texts and records of a tar, up to its end or to the first damage.

    Args:
        file: seekable file.
        name: name of the tar, for error lines.

    Raises:
        UserError: if the file is compressed or not a tar.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    compression = COMPRESSED.get(file.read(2))
    if compression:
        raise UserError(
            f"{name}: compressed ({compression}), but reading at random needs a plain tar; unpack it"
        )
    file.seek(0)
    samples: list[_Sample] = []
    notes: Counter[str] = Counter()
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
        raise UserError(f"{name}: not a tar ({error}); download it again") from None
    rows: list[tuple[int, ...]] = []
    keys: list[str] = []
    seen: dict[str, int] = {}
    key_end = 0
    for sample in samples:
        row = _row(file, sample, notes)
        if row is None:
            continue
        key = _unique_key(sample.key, seen)
        notes["repeated keys"] += key != sample.key
        key_end += len(key.encode())
        keys.append(key)
        rows.append((*row[:4], key_end, *row[4:]))
    return Scan(np.array(rows, ROW), keys, size, +notes, broken)


def _add_member(member: tarfile.TarInfo, size: int, samples: list[_Sample], notes: Counter[str]) -> None:
    """Adds a member to the last sample, or to a new one if its key differs or its suffix is already there."""
    folder, slash, base = member.name.rpartition("/")
    stem, _, suffix = base.partition(".")  # as webdataset splits names
    if not member.isreg() or member.issparse() or not stem or not suffix:
        notes["members ignored"] += not member.isdir()
        return
    key, suffix = printable(folder + slash + stem), suffix.lower()
    if not samples or samples[-1].key != key or suffix in samples[-1].members:
        samples.append(_Sample(key))
    cut = member.offset_data + member.size > size
    samples[-1].members[suffix] = (0, 0) if cut else (member.offset_data, member.size)


def printable(text: str) -> str:
    """Escapes a name that contains unprintable characters, which would break lines and JSON."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


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


def _row(file: BinaryIO, sample: _Sample, notes: Counter[str]) -> tuple[int, ...] | None:
    """Returns the row of a sample without `key_end`; None if it has no image, text or JSON member."""
    members = sample.members
    suffix = next((suffix for suffix in members if suffix in SUFFIXES), None)
    used = {suffix, "txt", "json"} & set(members)
    notes["members ignored"] += len(members) - len(used)
    if not used:
        return None
    image = members[suffix] if suffix else (0, 0)
    form, text, texts = Form.NONE, (0, 0), 1
    photograph = coco_id(f"{PurePosixPath(sample.key).name}.{suffix}") if suffix else None
    record = _json(file, *members.get("json", (0, 0)))
    url = record.get("url")  # written by img2dataset
    if isinstance(url, str) and "cocodataset" in url:
        photograph = coco_id(PurePosixPath(url).name)
    try:
        example = from_record(record.get("frozenvl"), BlackImage())
        form, text, texts = Form.PACKED, members["json"], len(example.targets)
        photograph = example.image_id
    except ValueError:
        if members.get("txt", (0, 0))[0]:
            offset, size = members["txt"]
            form, text = Form.TEXT, (offset, min(size, LONGEST_TEXT))
        if not _bytes(file, *text).strip() and isinstance(record.get("caption"), str):
            form, text = Form.CAPTION, members["json"]
    notes["samples without an image"] += not image[0]
    notes["samples without a text"] += form == Form.NONE
    coco = re.fullmatch(r"coco/(\d{1,9})", photograph or "")
    number = SUFFIXES.index(suffix) if suffix else 0
    return (*image, *text, texts, int(coco[1]) if coco else 0, form, number)


def _bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(min(size, LONGEST_TEXT))


def _json(file: BinaryIO, offset: int, size: int) -> dict[str, Any]:
    try:
        record = json.loads(_bytes(file, offset, size))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
