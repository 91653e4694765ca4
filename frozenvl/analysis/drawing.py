"""Pictures of maps: the photograph under each map, and the colour scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from torch import Tensor

from frozenvl.analysis.masking import spread_over_pixels
from frozenvl.analysis.method import Maps
from frozenvl.analysis.target import TargetFunction
from frozenvl.util.gallery import MARGIN, SIDE, Tile, draw_gallery
from frozenvl.util.text_layout import draw_line

FOR, AGAINST = (190, 18, 30), (25, 80, 190)
"""Colours (red, green, blue) of cells that raise a value, and of those that lower it."""
STRONGEST = 0.75
"""Opacity of the strongest cell."""
BAR = (320, 14)
"""Width and height of the colour scale, in pixels."""
LINE = 18
"""Height of a line of text, in pixels."""
LINES = 4
"""Number of lines of text below an image."""


def overlay(
    photograph: PIL.Image.Image, values: Tensor, function: TargetFunction, largest: float
) -> PIL.Image.Image:
    """Draws a map over a photograph: red cells raise the value, blue ones lower it, the stronger the more opaque.

    Args:
        photograph: the image.
        values: (rows, columns) over the encoder's square.
        function: target function, which knows where the image lies in the square.
        largest: absolute value of the most opaque colour.
    """
    left, top, right, bottom = function.box
    pixels = spread_over_pixels(values, function.size)[top:bottom, left:right].numpy()
    shares = PIL.Image.fromarray(np.clip(pixels / largest, -1, 1).astype(np.float32))
    share = np.asarray(shares.resize(photograph.size, PIL.Image.Resampling.NEAREST))
    return PIL.Image.fromarray(coloured(np.asarray(photograph.convert("RGB")), share))


def coloured(ground: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns RGB values of a ground (height, width, 3) under a map (height, width) from -1 to 1."""
    opacity = (np.abs(share) * STRONGEST)[..., None]
    colour = np.where(share[..., None] >= 0, np.array(FOR), np.array(AGAINST))
    return (ground * (1 - opacity) + colour * opacity).round().astype(np.uint8)


def picture(function: TargetFunction, maps: Maps, title: str) -> PIL.Image.Image:
    """Draws the photograph and all maps of a method, with their names, and one colour scale for all of them.

    Args:
        function: target function.
        maps: maps.
        title: text below the photograph, such as the question.
    """
    largest = max(float(maps.values.abs().max()), 1e-12)
    photograph = thumbnail(function.photograph)
    captions = captions_of(maps)
    tiles = [Tile(photograph, [], title)]
    tiles += [
        Tile(overlay(photograph, values, function, largest), [name], "", [below])
        for values, name, below in zip(maps.values, maps.names, captions, strict=True)
    ]
    sheet = draw_gallery(tiles, LINES * LINE)
    whole = PIL.Image.new("RGB", (sheet.width, sheet.height + 3 * LINE + MARGIN), "white")
    whole.paste(sheet, (0, 0))
    signed = bool((maps.values < 0).any())
    draw_scale(whole, (MARGIN, sheet.height), -largest if signed else 0.0, largest, maps)
    return whole


def thumbnail(photograph: PIL.Image.Image) -> PIL.Image.Image:
    """Returns a photograph that is not larger than a tile."""
    small = photograph.copy()
    small.thumbnail((SIDE, SIDE))
    return small


def captions_of(maps: Maps) -> Sequence[str]:
    """Returns the text below each map: its value and the baseline's, if it is of values."""
    if maps.value is None:
        return [""] * len(maps.names)
    if maps.value_at_baseline is None:
        return [f"{value:.2f} nats" for value in maps.value.tolist()]
    pairs = zip(maps.value.tolist(), maps.value_at_baseline.tolist(), strict=True)
    return [f"{value:.2f} nats; baseline ({maps.baseline}) {below:.2f}" for value, below in pairs]


def draw_scale(sheet: PIL.Image.Image, place: tuple[int, int], low: float, high: float, maps: Maps) -> None:
    """Draws the colour scale from `low` to `high` with its unit."""
    x, y = place
    share = np.linspace(low / high, 1, BAR[0])[None].repeat(BAR[1], 0)
    ground = np.full((*share.shape, 3), 255)
    draw_line(sheet, (x, y), f"{maps.method}: {maps.unit}", "black", False)
    sheet.paste(PIL.Image.fromarray(coloured(ground, share)), (x, y + LINE))
    draw_line(sheet, (x, y + 2 * LINE), f"{low:.3g}", "black", False)
    draw_line(sheet, (x + BAR[0] - 40, y + 2 * LINE), f"{high:.3g}", "black", False)
