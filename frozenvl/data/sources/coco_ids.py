"""Identifiers of photographs that are the same in every data set."""

from __future__ import annotations

import os
import re
from pathlib import Path

from frozenvl.prompt import Image

_COCO = re.compile(r"(?:.*/)?(?:COCO_(?:train|val|test)20\d\d_)?0{6}(\d{6})(?:\.\w+)?")


def coco_id(file_name: str) -> str | None:
    """Returns `coco/77` for any COCO file name of photograph 77, and None for other names.

    Examples: `COCO_train2014_000000000077.jpg`, `000000000077.jpg`, with or without folder and suffix.
    """
    match = _COCO.fullmatch(file_name)
    return f"coco/{int(match[1])}" if match else None


def photograph_id(folder: Path, file_name: str) -> str:
    """Returns the `image_id` of an image file: COCO's id, or the last two folder names and the file name.

    The file name alone is not enough: 1.jpg of one data set is not 1.jpg of another.
    """
    if number := coco_id(file_name):
        return number
    if file_name.startswith(("/", "./", "../")) or "//" in file_name or "/." in file_name:  # few names are so
        folder, place = folder.absolute(), Path(os.path.normpath(folder.absolute() / file_name))
        inside = place.is_relative_to(folder)
        folder, file_name = (
            (folder, place.relative_to(folder).as_posix()) if inside else (place.parent, place.name)
        )
    return "/".join((*folder.absolute().parts[-2:], file_name))


def content_id(image: Image) -> str:
    """Returns the `image_id` of an image that nothing but its content identifies."""
    return f"image/{image.digest}"
