"""Texts of a tar's samples: decoding, several captions in one member, and the reason why there is none."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from typing import Any

from frozenvl.data.records.values import one_line
from frozenvl.data.shards.notes import printable

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks with which a text in UTF-16 starts."""
MAX_NAMED = 5
"""Number of keys that a reason names."""


def decoded(content: bytes) -> str:
    """Decodes a text in UTF-8, or in UTF-16 if it starts with a byte order mark. Invalid bytes become U+FFFD."""
    return content.decode("utf-16" if content[:2] in UTF16 else "utf-8", "replace")


def parsed(content: bytes) -> Any:
    """Parses a JSON member. Bytes that are not UTF-8 become U+FFFD in its texts.

    Raises:
        ValueError: if it is not JSON.
    """
    try:
        return json.loads(content)
    except UnicodeDecodeError:
        return json.loads(content.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def in_json(value: Any, names: Sequence[str]) -> str | list[str] | None:
    """Returns the text or the list of texts in a JSON member: its value, or the first of these names in an object.

    Empty texts are passed over if a later name has one that is not. None if there is neither.
    """
    values = [value[name] for name in names if name in value] if isinstance(value, dict) else [value]
    texts = [each for each in values if not _not_a_text(each)]
    return next((text for text in texts if captions(text, "joined")), texts[0] if texts else None)


def captions(text: str | list[str], lines: str) -> tuple[str, ...]:
    """Returns the captions in a text: each of a list is one.

    Args:
        text: a text of one or more lines, or a list of texts.
        lines: "captions" to read each line of a text as a caption, "joined" to read all its lines as one.

    Returns:
        Captions without empty ones, each on one line and without a byte order mark.
    """
    if isinstance(text, list):
        return tuple(filter(None, map(_caption, text)))
    if "\n" not in text and "\r" not in text:  # as most are
        only = _caption(text)
        return (only,) if only else ()
    found = tuple(filter(None, map(_caption, text.replace("\r", "\n").split("\n"))))
    return found if lines == "captions" or len(found) < 2 else (" ".join(found),)


def _caption(text: str) -> str:
    return one_line(text).lstrip("\ufeff ")


def why_no_text(content: bytes, names: Sequence[str]) -> str:
    """Returns why a sample without a text has none, for error lines.

    Args:
        content: member `.json` of the sample; empty if it has none.
        names: names of texts.
    """
    if not content:
        return "has no text"
    try:
        value = parsed(content)
    except ValueError:
        return "has no text (its .json is not JSON)"
    if not isinstance(value, dict):
        return f"has no text (its .json is {_not_a_text(value)})"
    for name in names:
        if name in value:
            return f"has no text ({name!r} in its .json is {_not_a_text(value[name])})"
    keys = [printable(key) for key in value]
    some = ", ".join([*keys[:MAX_NAMED], *(["…"] if len(keys) > MAX_NAMED else [])])
    return f"has no text (its .json has none of the text_key {';'.join(names)}, but {some or 'nothing'})"


def text_keys(value: Any) -> list[str]:
    """Returns the keys of a JSON object whose values are texts."""
    return [key for key, each in value.items() if not _not_a_text(each)] if isinstance(value, dict) else []


def _not_a_text(value: Any) -> str:
    """Returns what a JSON value is if it is not a text or a list of texts; an empty string if it is."""
    if not isinstance(value, list):
        return _kind(value)
    other = next(filter(None, map(_kind, value)), "")
    return f"a list that holds {other}" if other else "" if value else "an empty list"


def _kind(value: Any) -> str:
    """Returns the kind of a JSON value; an empty string for a text."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds: dict[type, str] = {str: "", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")
