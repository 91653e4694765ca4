"""The rules of text and ids in annotation files, and how messages name another value."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

MISSING: Any = object()
"""Value of a field that a record lacks."""


def one_line(text: str) -> str:
    """Collapses white space to single spaces.

    A lone surrogate, which JSON can contain but no tokenizer accepts, becomes a question mark.
    """
    line = " ".join(text.split())
    return line if line.isascii() else line.encode("utf-8", "replace").decode()


def whole_text(text: str) -> str:
    """Returns a text with its line breaks and indents, without white space at its ends. Lone surrogates: see
    `one_line`."""
    text = text.replace("\r\n", "\n").strip()
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


short_line = lru_cache(2**16)(one_line)
"""`one_line` for answers, of which millions are only thousands of different ones."""


def as_id(value: Any) -> str | None:
    """Returns an id as text: 1, "1" and 1.0 are the same. None for values that are no id, such as null or a list."""
    if type(value) is int:  # most ids: checked first, for speed
        return str(value)
    if isinstance(value, str):
        return value.strip().encode("utf-8", "replace").decode() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value.is_integer() else None
    return str(value)


def described(value: Any) -> str:
    """Names a JSON value in a message: "null", "NaN", "a number (7)", "a list", "an empty text"."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"a number ({value})"
    if isinstance(value, str):
        return f"a text ({value[:40]!r})" if value.strip() else "an empty text"
    return "a list" if isinstance(value, list | tuple) else "an object"


def has_fields(rows: Any, *fields: str) -> bool:
    """Tells whether `rows` is a list whose first record has all of the fields."""
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and all(field in first for field in fields)
