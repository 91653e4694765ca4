"""Galleries: sheets of images with questions, model outputs and references."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from frozenvl.util.bidi import reads_right_to_left
from frozenvl.util.contact_sheet import padded
from frozenvl.util.scripts import warn_of_gaps
from frozenvl.util.text_layout import draw_line, wrap

SIDE, MARGIN, COLUMNS = 224, 12, 4
TEXT_HEIGHT, LINE = 150, 15
WIDTH = 34
"""Number of columns per line of text: letters of DejaVu Sans."""


@dataclass(frozen=True)
class Tile:
    """Image and the texts below it."""

    image: Image.Image
    texts: Sequence[str]
    """Model outputs, or training targets."""
    question: str = ""
    references: Sequence[str] = ()


def draw_gallery(tiles: Sequence[Tile], text_height: int = TEXT_HEIGHT) -> Image.Image:
    """Draws a sheet of tiles: image, question in black, model outputs in blue, references in grey.

    Args:
        tiles: images with their texts.
        text_height: height of the texts below an image, in pixels.
    """
    rows = -(-max(1, len(tiles)) // COLUMNS)
    size = (SIDE + 2 * MARGIN, SIDE + text_height + 2 * MARGIN)
    sheet = Image.new("RGB", (COLUMNS * size[0], rows * size[1]), "white")
    drawn: list[str] = []
    for place, tile in enumerate(tiles):
        row, column = divmod(place, COLUMNS)
        x, y = column * size[0] + MARGIN, row * size[1] + MARGIN
        sheet.paste(padded(tile.image, (SIDE, SIDE), "#eeeeee"), (x, y))
        texts = [(tile.question, 2, "black")]
        texts += [(text or "(nothing)", 3, "#0b5394") for text in tile.texts]
        texts += [(text, 2, "#777777") for text in dict.fromkeys(tile.references)]
        lines = [
            (line, colour, reads_right_to_left(text))
            for text, most, colour in texts
            for line in wrap(text, WIDTH, SIDE / WIDTH, most)
        ][: text_height // LINE]
        for number, (line, colour, right_to_left) in enumerate(lines):
            draw_line(sheet, (x, y + SIDE + 6 + number * LINE), line, colour, right_to_left)
        drawn += [line for line, _, _ in lines]
    warn_of_gaps(drawn)
    return sheet


def as_png(picture: Image.Image) -> bytes:
    """Encodes an image as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)  # half the time of the default, files no larger
    return buffer.getvalue()


def encoded_picture(pixels: np.ndarray) -> str:
    """Encodes pixels (height, width, 3), uint8, as PNG in base64."""
    return b64encode(as_png(Image.fromarray(pixels))).decode()


def decoded_picture(text: str) -> np.ndarray:
    """Decodes pixels (height, width, 3), uint8, that `encoded_picture` wrote."""
    return np.asarray(Image.open(io.BytesIO(b64decode(text))).convert("RGB"))


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
