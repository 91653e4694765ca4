"""Image files that a table names: whether they exist, and which suffix their names lack."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from frozenvl.data.records.table_columns import NUMBERED
from frozenvl.data.records.table_header import DOWNLOAD
from frozenvl.util.errors import UserError

SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp", ".JPG")
"""Suffixes that names without one may lack, as in COCO-CN."""
HOST = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}/", re.I)


def image_test(folder: Path, suffix: str | None) -> Callable[[str], bool]:
    """Returns a function that tells whether there is an image file of some name, with or without a caption number."""
    suffixes = SUFFIXES if suffix is None else (suffix,)

    def is_image(name: str) -> bool:
        match = NUMBERED.fullmatch(name)
        names = {name, match[1]} if match else {name}
        return bool(name) and any(_exists(folder / f"{bare}{end}") for bare in names for end in suffixes)

    return is_image


def find_suffix(path: Path, names: Sequence[str], folder: Path, suffix: str | None) -> str:
    """Returns the suffix that completes the names of a table to image files.

    Args:
        path: the table, for messages.
        names: some image files of the table.
        folder: image folder.
        suffix: suffix, if it is known.

    Raises:
        UserError: if none of the files exists.
    """
    if not names:
        return suffix or ""
    for end in SUFFIXES if suffix is None else (suffix,):
        if any(_exists(folder / f"{name}{end}") for name in names):
            return end
    example = f"{names[0]}{suffix or ''}"
    which = f"none of the first {len(names)} images" if len(names) > 1 else "not even the first image"
    line = f"{path}: {which} exists in {folder}, such as {folder / example}"
    if _exists(folder.absolute().parent / example):
        raise UserError(f"{line}; they are in the folder above: give --images {folder.absolute().parent}")
    if all(map(HOST.match, names)):
        raise UserError(f"{line}; if these are addresses, {DOWNLOAD}")
    raise UserError(f"{line}; check --images")


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a caption, which is too long for the name of a file
        return False
