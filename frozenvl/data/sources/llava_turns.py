"""Reads the conversations of LLaVA's layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields, one_line
from frozenvl.data.sources.visual_genome import photograph

MARK = "<image>"
"""Place of the image in a message. It is no part of the text."""
_DESCRIBE = re.compile(
    r"descri|summar|explanation of|interpretation of|account of|narrative|caption|elaborate|analy[sz]e|going on"
    r"|do you see|key elements|what is (?:this|in the (?:photo|image|picture))\?",
    re.I,
)
"""Matches requests for a caption in LLaVA's and ShareGPT4V's files."""
_VISUAL_GENOME = re.compile(r"(?:.*/)?(?:VG_100K(?:_2)?|gqa/images)/(\d+)\.\w+")
"""Matches the image names of Visual Genome and GQA."""
MAX_LOOKED_AT = 256
"""Number of records of a file by which its layout is told."""


def photograph_of(name: str, coco_ids: Mapping[str, str]) -> str:
    """Returns the `image_id` of an image of Visual Genome or GQA, by its name; empty for others."""
    own = _VISUAL_GENOME.fullmatch(name)
    return photograph(own[1], coco_ids) if own else ""


def converses(content: Any) -> bool:
    """Tells whether the first records of a file have more than one question about one image: several turns, several
    images or none, or a system message."""
    if not has_fields(content, "conversations"):
        return False
    for row in content[:MAX_LOOKED_AT]:
        messages = row.get("conversations")
        if not has_fields(messages, "from"):
            continue
        image = row.get("image")
        if len(messages) > 2 or messages[0]["from"] == "system" or not image or not isinstance(image, str):
            return True
    return False


def with_image(file: RecordFile) -> Iterator[Record]:
    """Yields the records that have an image. The others are left out and counted."""
    for row in file.records():
        if row.raw("image") is None and "conversations" in row.data:
            file.notes["conversations without an image left out"] += 1
        else:
            yield row


def turns(row: Record) -> list[tuple[Record, Record]]:
    """Returns the messages of a conversation in pairs: (human's, model's)."""
    messages = [*row.records("conversations")]
    for index, message in enumerate(messages):
        wanted = ("human", "gpt")[index % 2]
        role = message.text("from")
        if message.ok and role != wanted:
            message.problem(f"'from' is {role[:40]!r}, not {wanted!r}; questions and answers alternate")
        if not message.ok:
            return []
    if row.ok and (not messages or len(messages) % 2):
        row.problem(f"'conversations' has {len(messages)} messages; each question needs an answer")
        return []
    return list(zip(messages[::2], messages[1::2], strict=True))


def numbered(file: RecordFile, key: str, seen: Counter[str]) -> str:
    """Returns an id that may repeat as one that does not: the second "a" is "a#2". Counts these in the file's notes."""
    seen[key] += 1
    if seen[key] == 1:
        return key
    file.notes["records with the id of another one, told apart as ID#2, ID#3, …"] += 1
    return f"{key}#{seen[key]}"


def key_of(file: RecordFile, row: Record, number: int, seen: Counter[str]) -> str:
    """Returns the id of a record, which does not repeat; without one, its number in the file, which is noted."""
    if "id" in row.data:
        return numbered(file, row.id("id"), seen)
    file.notes["records without an id, named by their number from 0"] += 1
    return numbered(file, str(number), seen)


def said(message: Record) -> str:
    """Returns the text of a message, without the mark of the image."""
    text = one_line(message.text("value").replace(MARK, " "))
    if message.ok and not text:
        message.problem(f"'value' has no text beside {MARK}")
    return text


def asks_for_caption(content: Any) -> bool:
    """Tells whether the first record of a file is a single request for a caption, with its answer."""
    messages = content[0]["conversations"] if has_fields(content, "conversations") else []
    if not has_fields(messages, "from", "value") or len(messages) != 2:
        return False
    return bool(_DESCRIBE.search(str(messages[0]["value"])))
