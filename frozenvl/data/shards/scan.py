"""What stands where in a WebDataset tar. Members are only ever bytes at an offset: nothing is extracted."""

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
"""Of image members."""
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
LONGEST_TEXT = 2**24
"""Bytes of a text or record that are looked at."""

ROW = np.dtype(
    [
        ("image", "<u8"),  # offsets and sizes are in bytes; an offset of 0: the sample has none
        ("image_size", "<u8"),
        ("words", "<u8"),
        ("words_size", "<u8"),
        ("key_end", "<u8"),  # of its key, among the keys of its shard one after another
        ("texts", "<u4"),  # that are trained on
        ("coco", "<u4"),  # number of the photograph in COCO; 0: none known
        ("form", "u1"),
        ("suffix", "u1"),
    ]
)
"""A sample in an index."""


class Form:
    """What the words of a sample are. Plain numbers: an enumeration's are slow to look up for each sample."""

    NONE = 0
    TEXT = 1
    """A `.txt` member."""
    CAPTION = 2
    """`caption` in a `.json` member."""
    PACKED = 3
    """`frozenvl` in a `.json` member: a whole example."""


@dataclass
class Scan:
    """What was found in a tar."""

    rows: np.ndarray
    keys: list[str]
    """One a row, no two alike."""
    size: int
    """Of the tar, in bytes."""
    notes: Counter[str]
    """How often something was odd."""
    broken: str
    """What is wrong with the tar as a whole; empty where nothing is."""


@dataclass
class _Sample:
    key: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(offset, size) by suffix; offset 0 where it is cut off."""


def scan(file: BinaryIO, name: str) -> Scan:
    """Reads the headers, the texts and the records of a tar, up to its end or to where it breaks off.

    Raises:
        UserError: it is compressed, or no tar at all.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    packer = COMPRESSED.get(file.read(2))
    if packer:
        raise UserError(f"{name}: compressed ({packer}), but reading at random needs a plain tar; unpack it")
    file.seek(0)
    samples: list[_Sample] = []
    notes: Counter[str] = Counter()
    broken = ""
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            try:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
                    _take(member, size, samples, notes)
                broken = _ending(file, tar.offset, size)
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
        key = _unlike(sample.key, seen)
        notes["repeated keys"] += key != sample.key
        key_end += len(key.encode())
        keys.append(key)
        rows.append((*row[:4], key_end, *row[4:]))
    return Scan(np.array(rows, ROW), keys, size, +notes, broken)


def _take(member: tarfile.TarInfo, size: int, samples: list[_Sample], notes: Counter[str]) -> None:
    """Adds a member to the sample that it belongs to: to the last one, or a new one."""
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
    """A name without what would break a line or a JSON file."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _ending(file: BinaryIO, offset: int, size: int) -> str:
    """What is wrong with the end of a tar whose last header stands before `offset`."""
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


def _unlike(key: str, seen: dict[str, int]) -> str:
    """The key, or with `#n` behind where it was there before."""
    new, number = key, seen.get(key, 1)
    while new in seen:
        number += 1
        new = f"{key}#{number}"
    seen[new] = 1
    seen[key] = number  # where the next search begins
    return new


def _row(file: BinaryIO, sample: _Sample, notes: Counter[str]) -> tuple[int, ...] | None:
    """The row of a sample, `key_end` apart; None where it is none of ours."""
    members = sample.members
    suffix = next((suffix for suffix in members if suffix in SUFFIXES), None)
    known = {suffix, "txt", "json"} & set(members)
    notes["members ignored"] += len(members) - len(known)
    if not known:
        return None
    image = members[suffix] if suffix else (0, 0)
    form, words, texts = Form.NONE, (0, 0), 1
    photograph = coco_id(f"{PurePosixPath(sample.key).name}.{suffix}") if suffix else None
    record = _json(file, *members.get("json", (0, 0)))
    url = record.get("url")  # img2dataset's
    if isinstance(url, str) and "cocodataset" in url:
        photograph = coco_id(PurePosixPath(url).name)
    try:
        example = from_record(record.get("frozenvl"), BlackImage())
        form, words, texts = Form.PACKED, members["json"], len(example.targets)
        photograph = example.image_id
    except ValueError:
        if members.get("txt", (0, 0))[0]:
            offset, size = members["txt"]
            form, words = Form.TEXT, (offset, min(size, LONGEST_TEXT))
        if not _bytes(file, *words).strip() and isinstance(record.get("caption"), str):
            form, words = Form.CAPTION, members["json"]
    notes["samples without an image"] += not image[0]
    notes["samples without a text"] += form == Form.NONE
    coco = re.fullmatch(r"coco/(\d{1,9})", photograph or "")
    number = SUFFIXES.index(suffix) if suffix else 0
    return (*image, *words, texts, int(coco[1]) if coco else 0, form, number)


def _bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(min(size, LONGEST_TEXT))


def _json(file: BinaryIO, offset: int, size: int) -> dict[str, Any]:
    try:
        record = json.loads(_bytes(file, offset, size))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
