"""Renders scenes to pixels."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import PIL.Image
import PIL.ImageDraw

from frozenvl.data.scenes.description import Background, Group, Scene, Thing
from frozenvl.prompt import Box

RENDERER_VERSION = 1
"""Version of the renderer, part of each image's digest. Raise it with every change of the pixels."""

PALETTE = {
    "red": (218, 26, 32),
    "orange": (246, 130, 14),
    "yellow": (252, 224, 22),
    "green": (34, 150, 56),
    "blue": (32, 76, 214),
    "purple": (124, 40, 164),
    "pink": (252, 128, 186),
    "brown": (116, 66, 28),
    "black": (22, 22, 24),
    "white": (252, 252, 252),
}
_OVERSAMPLING = 2
_EDGE = 0.006
"""Width of the line around an object, as a fraction of the image's side."""
_RING = 0.42
"""Width of a ring, as a fraction of its radius."""

Points = list[tuple[float, float]]


def _polar(radius: float, degrees: float) -> tuple[float, float]:
    """Returns polar coordinates as (x, y), y downwards."""
    return radius * math.cos(math.radians(degrees)), -radius * math.sin(math.radians(degrees))


def _heart() -> Points:
    points = []
    for i in range(48):
        t = 2 * math.pi * i / 48
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((math.sin(t) ** 3, -(y + 2.5) / 16))
    return points


def _moon() -> Points:
    """Returns the outline of a crescent: a disc of radius 1 minus one of radius 0.8, centred 0.45 to the right."""
    x = (1 - 0.8**2 + 0.45**2) / (2 * 0.45)
    outer = math.degrees(math.acos(x))
    inner = math.degrees(math.atan2(math.sin(math.radians(outer)), x - 0.45))
    arc = [_polar(1, outer + (360 - 2 * outer) * i / 32) for i in range(33)]
    back = [_polar(0.8, 360 - inner - (360 - 2 * inner) * i / 32) for i in range(33)]
    return [(px + 0.1, py) for px, py in arc + [(0.45 + bx, by) for bx, by in back]]


# Outlines around the origin, in units of the radius, y downwards. Circle and ring are drawn as ellipses.
_OUTLINES: dict[str, Points] = {
    "square": [(-0.74, -0.74), (0.74, -0.74), (0.74, 0.74), (-0.74, 0.74)],
    "triangle": [(0, -0.98), (0.94, 0.62), (-0.94, 0.62)],
    "star": [_polar(1.04 if i % 2 == 0 else 0.44, 90 + 36 * i) for i in range(10)],
    "heart": _heart(),
    "cross": [
        (sx * x, sy * y)
        for sx, sy, corner in (
            (1, -1, ((0.3, 0.98), (0.3, 0.3), (0.98, 0.3))),
            (1, 1, ((0.98, 0.3), (0.3, 0.3), (0.3, 0.98))),
            (-1, 1, ((0.3, 0.98), (0.3, 0.3), (0.98, 0.3))),
            (-1, -1, ((0.98, 0.3), (0.3, 0.3), (0.3, 0.98))),
        )
        for x, y in corner
    ],
    "diamond": [(0, -1.04), (0.66, 0), (0, 1.04), (-0.66, 0)],
    "moon": _moon(),
    "arrow": [(0, -1), (0.85, -0.1), (0.32, -0.1), (0.32, 0.95), (-0.32, 0.95), (-0.32, -0.1), (-0.85, -0.1)],
}


def render(scene: Scene, resolution: int) -> PIL.Image.Image:
    """Renders a scene as an RGB image of `resolution` × `resolution` pixels."""
    side = resolution * _OVERSAMPLING
    canvas = _backdrop(scene.background, side)
    draw = PIL.ImageDraw.Draw(canvas)
    for group in scene.groups:
        for thing in group.things:
            _draw(draw, group, thing, side)
    return _add_noise(canvas.reduce(_OVERSAMPLING), scene.noise)


def _backdrop(background: Background, side: int) -> PIL.Image.Image:
    dark, light = (
        tuple(min(255, round(factor * channel)) for channel in background.tint) for factor in (0.9, 1.06)
    )
    if background.pattern == "plain":
        return PIL.Image.new("RGB", (side, side), background.tint)
    if background.pattern == "shaded":
        across = np.linspace(0, 1, side, dtype=np.float32)
        turn = math.radians(background.angle)
        ramp = across[None, :] * math.cos(turn) + across[:, None] * math.sin(turn)
        ramp = (ramp - ramp.min()) / (ramp.max() - ramp.min())
        mask = PIL.Image.fromarray((255 * ramp).astype(np.uint8))
        return PIL.Image.composite(
            PIL.Image.new("RGB", (side, side), light), PIL.Image.new("RGB", (side, side), dark), mask
        )
    canvas = PIL.Image.new("RGB", (side, side), light)
    draw = PIL.ImageDraw.Draw(canvas)
    reach, period = 1.5 * side, background.period * side
    ux, uy = _polar(1, background.angle)
    for i in range(math.floor(-reach / period), math.ceil(reach / period)):
        band = [
            (i * period, -reach),
            (i * period, reach),
            ((i + 0.5) * period, reach),
            ((i + 0.5) * period, -reach),
        ]
        draw.polygon([(side / 2 + p * uy + q * ux, side / 2 - p * ux + q * uy) for p, q in band], fill=dark)
    return canvas


def _draw(draw: PIL.ImageDraw.ImageDraw, group: Group, thing: Thing, side: int) -> None:
    fill = PALETTE[group.colour]
    edge = tuple(round(0.55 * channel) for channel in fill)
    line = max(1, round(_EDGE * side))
    x, y, radius = thing.x * side, thing.y * side, thing.diameter * side / 2
    box = (x - radius, y - radius, x + radius, y + radius)
    if group.shape == "circle":
        draw.ellipse(box, fill=fill, outline=edge, width=line)
    elif group.shape == "ring":
        width = round(_RING * radius)
        draw.ellipse(box, outline=edge, width=width)
        inset = (box[0] + line, box[1] + line, box[2] - line, box[3] - line)
        draw.ellipse(inset, outline=fill, width=width - 2 * line)
    else:
        points = _corners(group.shape, thing, side)
        draw.polygon(points, fill=fill)
        draw.line([*points, points[0]], fill=edge, width=line, joint="curve")


def _corners(shape: str, thing: Thing, side: float) -> Points:
    """Returns the corners of a tilted object that is neither a circle nor a ring."""
    x, y, radius = thing.x * side, thing.y * side, thing.diameter * side / 2
    cos, sin = math.cos(math.radians(thing.tilt)), math.sin(math.radians(thing.tilt))
    return [
        (x + radius * (px * cos - py * sin), y + radius * (px * sin + py * cos))
        for px, py in _OUTLINES[shape]
    ]


def boxes_of(group: Group) -> tuple[Box, ...]:
    """Returns the bounding box of each object of a group, with its edge."""
    return tuple(_box_of(group.shape, thing) for thing in group.things)


def _box_of(shape: str, thing: Thing) -> Box:
    if shape not in _OUTLINES:
        radius = thing.diameter / 2
        return thing.x - radius, thing.y - radius, thing.x + radius, thing.y + radius
    x, y = zip(*_corners(shape, thing, 1), strict=True)
    half = _EDGE / 2  # the line of the edge has its middle on the outline
    return min(x) - half, min(y) - half, max(x) + half, max(y) + half


def _add_noise(image: PIL.Image.Image, seed: int) -> PIL.Image.Image:
    """Adds brightness noise (triangular distribution, at most ±15 of 255) that is the same on every machine."""
    width, height = image.size
    drawn = np.frombuffer(Random(seed).randbytes(width * height), np.uint8).reshape(height, width)
    noise = (drawn >> 4).astype(np.int16) + (drawn & 15) - 15
    pixels = np.asarray(image, np.int16) + noise[:, :, None]
    return PIL.Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
