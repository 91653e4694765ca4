"""Matches the ids of one file with those of another: 77, "000000000077" and a file name mean the same image."""

from __future__ import annotations

import re
from collections.abc import Iterable

_FILE = re.compile(
    r"(?:.*/)?(?:COCO_(?:train|val|test)20\d\d_)?(.+?)(?:\.(?:jpe?g|png|webp|gif|bmp|tiff?))?", re.I | re.S
)


class Ids:
    """The ids of one file, with the image files that they name.

    Args:
        known: (id, file name) pairs; the file name is empty if there is none.
    """

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        self._files = dict(known)
        self._alike: dict[str, set[str]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._files

    def find(self, key: str) -> str | None:
        """Returns the known id that `key` means: the same text, or the only one that differs by a file name, a file
        suffix or leading zeros. None if there is none, or several.
        """
        if key in self._files:
            return key
        if not self._alike:
            for known, file in self._files.items():
                for name in {_bare(known), _bare(file)} - {""}:
                    self._alike.setdefault(name, set()).add(known)
        matches = self._alike.get(_bare(key), set())
        return next(iter(matches)) if len(matches) == 1 else None


def _bare(key: str) -> str:
    """Returns an id without folder, COCO's prefix, file suffix and leading zeros."""
    match = _FILE.fullmatch(key)
    name = match[1] if match else key
    return name.lstrip("0") or "0" if name.isdecimal() else name
