"""Contact sheets: several pictures side by side as one, such as the frames of a video."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageOps

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
        fitted = ImageOps.pad(picture, (width, height), color="white")
        sheet.paste(fitted, (column * (width + GAP), row * (height + GAP)))
    return sheet
