"""Galleries: sheets of images with questions, model outputs and references."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont, ImageOps

SIDE, MARGIN, COLUMNS = 224, 12, 4
TEXT_HEIGHT, LINE = 150, 15
WIDTH = 34
"""Number of characters per line of text."""


@dataclass(frozen=True)
class Tile:
    """Image and the texts below it."""

    image: Image.Image
    texts: Sequence[str]
    """Model outputs, or training targets."""
    question: str = ""
    references: Sequence[str] = ()


def draw_gallery(tiles: Sequence[Tile]) -> Image.Image:
    """Draws a sheet of tiles: image, question in black, model outputs in blue, references in grey."""
    rows = -(-max(1, len(tiles)) // COLUMNS)
    size = (SIDE + 2 * MARGIN, SIDE + TEXT_HEIGHT + 2 * MARGIN)
    sheet = Image.new("RGB", (COLUMNS * size[0], rows * size[1]), "white")
    draw = ImageDraw.Draw(sheet)
    # Pillow's default font lacks arrows and most alphabets; matplotlib's DejaVu Sans has them.
    font = ImageFont.truetype(Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size=11)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, COLUMNS)
        x, y = column * size[0] + MARGIN, row * size[1] + MARGIN
        sheet.paste(ImageOps.pad(tile.image, (SIDE, SIDE), color="#eeeeee"), (x, y))
        lines = [(line, "black") for line in wrap(tile.question, 2)]
        lines += [(line, "#0b5394") for text in tile.texts for line in wrap(text or "(nothing)", 3)]
        lines += [(line, "#777777") for text in dict.fromkeys(tile.references) for line in wrap(text, 2)]
        for number, (line, colour) in enumerate(lines[: TEXT_HEIGHT // LINE]):
            draw.text((x, y + SIDE + 6 + number * LINE), line, fill=colour, font=font)
    return sheet


def as_png(picture: Image.Image) -> bytes:
    """Encodes an image as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)  # half the time of the default, files no larger
    return buffer.getvalue()


def log_png(writer: Any, tag: str, png: bytes, step: int) -> None:
    """Logs a PNG to TensorBoard as it is. `add_image` would encode its pixels again, in three times the time.

    Args:
        writer: torch's SummaryWriter.
        tag: tag of the image.
        png: content of the file, in RGB.
        step: optimiser step.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = Image.open(io.BytesIO(png)).size
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


def wrap(text: str, most: int) -> list[str]:
    """Wraps text to the width of a tile, in at most `most` lines."""
    return textwrap.wrap(text, WIDTH, max_lines=most, placeholder=" …")
