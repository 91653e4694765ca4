"""Recognises the layout of a file or folder, and names the source that reads it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from frozenvl.data.registry import source_classes
from frozenvl.data.sources.source import Source


def detect(content: Any) -> type[Source] | None:
    """Returns the source that reads a JSON file with some content; None if there is none."""
    for kind in source_classes().values():
        try:
            if kind.recognises(content):
                return kind
        except (LookupError, TypeError, AttributeError):  # odd content: not this layout
            continue
    return None


def advice(path: Path, content: Any, layout: str = "") -> str:
    """Returns what to do with a file that a source refused: the name of the source that reads it, if there is one.

    Args:
        path: the refused file.
        content: its content.
        layout: layout of the source that refused it.
    """
    kind = detect(content)
    if kind is None:
        return "data/README.md lists the layouts that are read"
    name = getattr(kind, "layout", kind.__name__)
    if name == layout:
        return "the source is the right one: complete the records"
    first = next(iter(inspect.signature(kind).parameters))
    return f"this is {name}: use {kind.__name__} (--{first} {path.name})"
