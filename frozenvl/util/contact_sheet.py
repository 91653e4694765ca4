"""Contact sheets: several pictures side by side as one, such as the frames of a video."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

COLUMNS = 4
"""Largest number of pictures in a row."""
GAP = 2
"""Pixels between two pictures."""
SIDE = 448
"""Longest side of a picture in a sheet, in pixels. Larger ones are scaled down."""


def contact_sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Draws pictures in rows, from left to right, each fitted into the size of the first. One picture stays as it is.

    Args:
        pictures: RGB pictures, at least one.
    """
    if len(pictures) == 1:
        return pictures[0]
    columns = min(COLUMNS, math.ceil(math.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    scale = min(1.0, SIDE / max(pictures[0].size))
    width, height = (max(1, round(length * scale)) for length in pictures[0].size)
    size = columns * (width + GAP) - GAP, rows * (height + GAP) - GAP
    sheet = Image.new("RGB", size, "white")
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        fitted = padded(picture, (width, height), "white")
        sheet.paste(fitted, (column * (width + GAP), row * (height + GAP)))
    return sheet


def padded(picture: Image.Image, size: tuple[int, int], color: str) -> Image.Image:
    """Returns a picture scaled to fit into a size, in the middle of a ground of one colour.

    `PIL.ImageOps.pad` does the same, but before Pillow 13 it refuses pictures whose short side would vanish.
    """
    scale = min(size[0] / picture.width, size[1] / picture.height)
    fitted = [max(1, round(length * scale)) for length in picture.size]
    ground = Image.new(picture.mode, size, color)
    at = [round((whole - part) * 0.5) for whole, part in zip(size, fitted, strict=True)]
    ground.paste(picture.resize((fitted[0], fitted[1])), (at[0], at[1]))
    return ground
