"""Rows of an index: chooses the image and the text among the members of a tar's sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from frozenvl.data.shards.keys import Keys
from frozenvl.data.shards.notes import IGNORED, LINES, NO_IMAGE, NO_TEXT, Notes
from frozenvl.data.shards.record import from_record
from frozenvl.data.shards.texts import captions, decoded, in_json, parsed, text_keys
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.prompt import BlackImage, Example

LONGEST_TEXT = 2**24
"""Maximum number of bytes read of a text or record."""
ROW = np.dtype(
    [
        ("image", "<u8"),  # offsets and sizes in bytes; offset 0: the sample has no such member
        ("image_size", "<u8"),
        ("words", "<u8"),  # the member with the text; its `.json` if that has none
        ("words_size", "<u8"),
        ("key_end", "<u8"),  # end of its key in the shard's concatenated keys
        ("texts", "<u4"),  # number of target texts, if each line of a text is one
        ("coco", "<u4"),  # COCO's number of the photograph; 0: not known to be COCO's
        ("form", "u1"),  # one of `Form`
        ("suffix", "u1"),  # position in the shard's image suffixes
    ]
)
"""Index row of a sample."""


class Form:
    """Kind of member that holds the text of a sample. Plain integers, because `enum` look-ups are slow per sample."""

    NONE = 0
    """No text."""
    TEXT = 1
    """Text member, such as `.txt`."""
    CAPTION = 2
    """A text in a JSON member."""
    PACKED = 3
    """Value of `frozenvl` in a `.json` member: a complete example."""
    CAPTIONS = 4
    """A list of texts in a JSON member."""


LINED = (Form.TEXT, Form.CAPTION)
"""Forms whose lines may be captions of their own."""


@dataclass
class Sample:
    """Members of a tar with one key."""

    key: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Suffix → (offset, size) of the member; offset 0 if it is cut off."""


def row_of(
    file: BinaryIO, sample: Sample, keys: Keys, suffixes: dict[str, int], notes: Notes
) -> tuple[int, ...] | None:
    """Returns the row of a sample without `key_end`; None if it has no image, text or JSON member.

    Args:
        file: the tar.
        sample: the sample.
        keys: names of images and texts.
        suffixes: image suffix → its number in rows; new ones are added.
        notes: counts of oddities, which are added to.
    """
    members, ranks = sample.members, keys.image_ranks
    suffix = min((suffix for suffix in members if suffix in ranks), key=ranks.__getitem__, default=None)
    photograph = coco_id(PurePosixPath(sample.key).name) if suffix else None
    record, used = _value(_bytes(file, *members.get("json", (0, 0)))), {suffix, "json"}
    if example := _packed(record):
        (offset, size), texts, form = members["json"], len(example.targets), Form.PACKED
        photograph = example.image_id
        used.add("txt")
    else:
        offset, size, texts, form = _text(file, members, record, keys, used)
        url = record.get("url") if isinstance(record, dict) else None  # written by img2dataset
        if isinstance(url, str) and "cocodataset" in url:
            photograph = coco_id(PurePosixPath(url).name)
    unused = [suffix for suffix in members if suffix not in used]
    notes.add(IGNORED, len(unused), unused)
    if len(unused) == len(members):
        return None
    image = members[suffix] if suffix else (0, 0)
    notes.add(NO_IMAGE, not image[0])
    if form == Form.NONE:
        notes.add(NO_TEXT, names=text_keys(record))
    notes.add(LINES, form in LINED and texts > 1)
    coco = re.fullmatch(r"coco/(\d{1,9})", photograph or "")
    number = suffixes.setdefault(suffix, len(suffixes)) if suffix else 0
    return (*image, offset, size, texts, int(coco[1]) if coco else 0, form, number)


_Text = tuple[int, int, int, int]
"""Offset and size of the member, number of its texts, form."""


def _text(
    file: BinaryIO, members: dict[str, tuple[int, int]], record: Any, keys: Keys, used: set[str | None]
) -> _Text:
    """Chooses the first text that is not empty, by the order of the names. Adds the suffixes it looked at to `used`."""
    whole = members.get("json", (0, 0))
    empty: _Text = (whole[0], min(whole[1], LONGEST_TEXT), 1, Form.NONE)
    for found in _candidates(file, members, record, keys, used):
        if found and found[2]:
            return found
        if found and empty[3] == Form.NONE:
            empty = (*found[:2], 1, found[3])
    return empty


def _candidates(
    file: BinaryIO, members: dict[str, tuple[int, int]], record: Any, keys: Keys, used: set[str | None]
) -> Iterator[_Text | None]:
    """Yields the texts in order of preference, empty ones too; None for a JSON value that is no text."""
    whole = members.get("json", (0, 0))
    for name, suffixes in keys.text_members:
        for suffix in suffixes:
            if suffix in members:
                used.add(suffix)
                offset, size = members[suffix]
                if not offset:
                    continue
                content, is_json, text = _bytes(file, offset, size), suffix.endswith("json"), None
                if is_json or content[:1] in (b"[", b"{"):  # a text member may hold JSON, too
                    text = in_json(_value(content), keys.text)
                    yield _counted(offset, size, text)
                if text is None and not is_json:
                    count = len(captions(decoded(content), "captions"))
                    yield offset, min(size, LONGEST_TEXT), count, Form.TEXT
        if isinstance(record, dict) and name in record:
            yield _counted(*whole, in_json(record[name], ()))
    if not isinstance(record, dict):
        yield _counted(*whole, in_json(record, ()))


def _counted(offset: int, size: int, text: str | list[str] | None) -> _Text | None:
    """Counts the texts of a JSON member; None if it has none."""
    if text is None:
        return None
    form = Form.CAPTIONS if isinstance(text, list) else Form.CAPTION
    return offset, size, len(captions(text, "captions")), form


def _packed(record: Any) -> Example | None:
    """Returns the example in a JSON member that `frozenvl data pack` wrote; None for others."""
    try:
        return from_record(record["frozenvl"], BlackImage())
    except (KeyError, TypeError, ValueError):
        return None


def _bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    """Reads a member. Returns b"" if it is not there."""
    file.seek(offset)
    return file.read(min(size, LONGEST_TEXT))


def _value(content: bytes) -> Any:
    """Parses a JSON member. Returns None if it is not JSON."""
    try:
        return parsed(content)
    except ValueError:
        return None
