"""Lists the image files below folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from frozenvl.data.shards.keys import IMAGE_SUFFIXES
from frozenvl.util.errors import UserError

SUFFIXES = frozenset(f".{suffix}" for suffix in IMAGE_SUFFIXES)
"""Suffixes of image files, in lower case."""


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Lists image files: files as given, and all images below folders, sorted within each folder.

    Hidden files and folders (`.name`) are left out. A file that was named itself is taken whatever its suffix. Links
    to folders are followed once each.

    Raises:
        UserError: if a path does not exist, or a folder holds no images or cannot be listed.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(_below(path))
            if not below:
                raise UserError(
                    f"{path}: a folder without images (.jpg, .png, .webp, …); name the folder that holds them"
                )
            files += below
        elif path.exists():
            files.append(path)
        else:
            raise UserError(f"{path}: no such image or folder; check the path")
    return list(dict.fromkeys(files))


def _below(folder: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_cannot_list, followlinks=True):
        stat = Path(place).stat()
        if (stat.st_dev, stat.st_ino) in seen:  # a link to a folder above would never end
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(place, name)


def _cannot_list(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions")
