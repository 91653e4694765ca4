"""Galleries: images with what was said about them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

TILE, MARGIN, COLUMNS = 224, 12, 4
TEXT_HEIGHT, LINE = 150, 15
WIDTH = 34
"""Characters in a line of text."""


def draw_gallery(items: Sequence[tuple[Image.Image, Mapping[str, Any]]]) -> Image.Image:
    """A sheet of tiles: image, question if there is one, the generated text, and references in grey.

    Args:
        items: images and their records (question, text, references).
    """
    rows = -(-max(1, len(items)) // COLUMNS)
    tile = (TILE + 2 * MARGIN, TILE + TEXT_HEIGHT + 2 * MARGIN)
    sheet = Image.new("RGB", (COLUMNS * tile[0], rows * tile[1]), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=12)
    for place, (image, record) in enumerate(items):
        row, column = divmod(place, COLUMNS)
        x, y = column * tile[0] + MARGIN, row * tile[1] + MARGIN
        sheet.paste(ImageOps.pad(image, (TILE, TILE), color="#eeeeee"), (x, y))
        y += TILE + 6
        lines = [(line, "black") for line in wrap(record.get("question", ""), 2)]
        lines += [(line, "#0b5394") for line in wrap(f"→ {record['text'] or '(nothing)'}", 3)]
        for reference in dict.fromkeys(record["references"]):
            lines += [(line, "#777777") for line in wrap(reference, 2)]
        for number, (line, colour) in enumerate(lines[: TEXT_HEIGHT // LINE]):
            draw.text((x, y + number * LINE), line, fill=colour, font=font)
    return sheet


def wrap(text: str, most: int) -> list[str]:
    """Lines of a tile's width, at most so many."""
    return textwrap.wrap(text, WIDTH, max_lines=most, placeholder=" …")
