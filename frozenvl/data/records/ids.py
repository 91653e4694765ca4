"""Matches the ids of one file with those of another: 77, "000000000077" and a file name mean the same image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from frozenvl.data.sources.coco_ids import coco_id

_FILE = re.compile(
    r"(?:COCO_(?:train|val|test)20\d\d_)?(.+?)(\.(?:jpe?g|png|webp|gif|bmp|tiff?))?", re.I | re.S
)


class Ids:
    """The ids of one file, with the image files that they name.

    Args:
        known: (id, file name) pairs; the file name is empty if there is none.
    """

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        self._files = dict(known)
        self._alike: dict[tuple[str, str], set[str]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._files

    def find(self, key: str) -> str | None:
        """Returns the known id that `key` means: the same text, or the only one that differs by a file name, a file
        suffix or leading zeros. None if there is none, or several.

        A number never means the image of a file with that number: its id may be another. A file in a folder never
        means one in another folder, except COCO's, whose numbers differ in all folders.
        """
        if key in self._files:
            return key
        if not self._alike:
            for known, file in self._files.items():
                for alias in {("id", _bare(known)[0]), *(_names(file) if file else ())}:
                    self._alike.setdefault(alias, set()).add(known)
        matches: set[str] = set()
        if "/" not in key or coco_id(key):
            matches |= self._alike.get(("id", _bare(key)[0]), set())
        for alias in _names(key):
            matches |= {known for known in self._alike.get(alias, ()) if _same_place(key, self._files[known])}
        return next(iter(matches)) if len(matches) == 1 else None


def _same_place(one: str, other: str) -> bool:
    """Tells whether two paths may be of the same file: one of them ends with the other, up to a suffix."""
    first, second = (f"/{PurePosixPath(path).with_suffix('')}" for path in (one, other))
    return first.endswith(second) or second.endswith(first)


def _names(file: str) -> list[tuple[str, str]]:
    """Returns the names by which a file is found: with its suffix, and without one if that is no number."""
    name = PurePosixPath(file).name
    bare, suffix = _bare(file)
    return [("file", name)] * bool(suffix) + [("stem", bare)] * (not bare.isdecimal())


def _bare(key: str) -> tuple[str, str]:
    """Returns an id without folder, COCO's prefix, file suffix and leading zeros; and that suffix."""
    match = _FILE.fullmatch(key.rpartition("/")[2])
    name, suffix = (match[1], match[2] or "") if match else (key, "")
    return (name.lstrip("0") or "0" if name.isdecimal() else name), suffix
