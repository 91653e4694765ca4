"""Photographs named so that the same one is known in every data set."""

from __future__ import annotations

import re
from pathlib import Path

_COCO = re.compile(r"(?:.*/)?(?:COCO_(?:train|val|test)20\d\d_)?0{6}(\d{6})(?:\.\w+)?")


def coco_id(file_name: str) -> str | None:
    """`coco/77` for any of COCO's names of its photograph 77 (`COCO_train2014_000000000077.jpg`, with or without
    folder and ending; `000000000077.jpg`); nothing for other names."""
    match = _COCO.fullmatch(file_name)
    return f"coco/{int(match[1])}" if match else None


def photograph_id(folder: Path, file_name: str) -> str:
    """The `image_id` of an image file: COCO's, or the file below the last two names of its folder.

    File names alone would not do: 1.jpg of one data set is not 1.jpg of another.
    """
    return coco_id(file_name) or "/".join((*folder.absolute().parts[-2:], file_name))
