"""Copies of images in one folder, under safe and unique names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from frozenvl.data.sources.folder import ENDINGS
from frozenvl.prompt import Image, ImageFile

MAX_BYTES = 200
"""Length of a file name, of the 255 bytes that file systems allow."""
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
"""Characters that some system does not allow in file names."""


def safe_name(image: Image, number: int, suffix: str) -> str:
    """Returns the last part of an image's name, or one made of its number if that is no safe name of a file.

    Args:
        image: the image.
        number: number of its example.
        suffix: suffix of its format, which is added if the name has none of an image.
    """
    name = image.name.replace("\\", "/").rpartition("/")[2].strip()
    if Path(name).suffix.lower() not in ENDINGS:
        name = f"{name}.{suffix}" if name else ""
    try:
        long = len(name.encode()) > MAX_BYTES
    except UnicodeEncodeError:
        long = True
    unsafe = not name or long or name.startswith((".", "-")) or UNSAFE.search(name)
    return f"image{number:09}.{suffix}" if unsafe else name


class ImageFiles:
    """Writes each image once, and images of the same name and content once.

    Args:
        folder: folder to write to.
        link: whether image files are hard-linked instead of copied, where the file system can.
    """

    def __init__(self, folder: Path, link: bool = False) -> None:
        self.folder, self.link = folder, link
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._written: dict[tuple[str, bytes], str] = {}
        """(name, hash of the content) → file name."""
        folder.mkdir()

    def name(self, image: Image) -> str | None:
        """Returns the file name of an image that has been written; None if it has not."""
        return self._names.get(image.key)

    def write(self, image: Image, number: int, suffix: str, data: bytes) -> str:
        """Writes an image; returns its file name.

        Args:
            image: the image.
            number: number of its example, for the name if its own is not safe or is taken.
            suffix: suffix of its format.
            data: encoded bytes of the image.
        """
        name = safe_name(image, number, suffix)
        known = name, hashlib.sha256(data).digest()
        if known in self._written:
            self._names[image.key] = self._written[known]
            return self._written[known]
        if name.casefold() in self._taken:  # some file systems do not tell capitals from small letters
            name = f"image{number:09}_{name}"
        self._taken.add(name.casefold())
        self._names[image.key] = self._written[known] = name
        path = self.folder / name
        if not (self.link and isinstance(image, ImageFile) and _linked(image.path, path)):
            path.write_bytes(data)
        return name


def _linked(origin: Path, path: Path) -> bool:
    try:
        path.hardlink_to(origin.resolve())
    except OSError:  # another file system, or one without links
        return False
    return True
