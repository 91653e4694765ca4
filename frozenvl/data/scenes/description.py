"""Descriptions of rendered scenes (objects, attributes, places) and their random generation.

Attributes are drawn independently. Knowing one (a question names the shape) therefore says nothing about another
(the answer); `scenes.questions` relies on this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

SHAPES = ("circle", "square", "triangle", "star", "heart", "ring", "cross", "diamond", "moon", "arrow")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
SIZES = ("small", "large")
PATTERNS = ("plain", "shaded", "striped")

Pair: TypeAlias = tuple[str, str]
"""(colour, shape)"""

# One pair for each colour and each shape (3 and 10 are coprime), so that the remaining pairs stay balanced.
HELD_OUT: tuple[Pair, ...] = tuple((colour, SHAPES[(3 * i + 7) % 10]) for i, colour in enumerate(COLOURS))
SEEN: tuple[Pair, ...] = tuple((c, s) for c in COLOURS for s in SHAPES if (c, s) not in HELD_OUT)

LAYOUTS: dict[int, tuple[tuple[str, ...], ...]] = {
    1: (("left",), ("right",), ("top",), ("bottom",), ("middle",)),
    2: (("left", "right"), ("top", "bottom")),
    3: (("left", "middle", "right"), ("top", "middle", "bottom")),
    4: (("top left", "top right", "bottom left", "bottom right"),),
}
"""Number of groups → possible layouts: the places of the groups, in reading order."""
MAX_GROUPS = max(LAYOUTS)
"""Largest number of groups in a scene."""
MAX_COUNT = {1: 4, 2: 4, 3: 2, 4: 1}
"""Number of groups → maximum number of objects in a group, whatever their size."""
DIAMETER = {"small": 0.16, "large": 0.265}
"""Size → diameter of an object's bounding circle, as a fraction of the image's side."""

_MARGIN = 0.02
_TINTS = (
    (178, 180, 184),
    (190, 180, 164),
    (164, 178, 190),
    (168, 186, 172),
    (188, 174, 186),
    (196, 192, 178),
)


@dataclass(frozen=True)
class Thing:
    """One object: centre, diameter (fractions of the image's side, y downwards) and tilt in degrees."""

    x: float
    y: float
    diameter: float
    tilt: float


@dataclass(frozen=True)
class Group:
    """Objects of one colour, shape and size that share a place."""

    colour: str
    shape: str
    size: str
    place: str
    things: tuple[Thing, ...]

    @property
    def pair(self) -> Pair:
        """Combination (colour, shape) of the objects."""
        return self.colour, self.shape

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.things)


@dataclass(frozen=True)
class Background:
    """Background of a scene."""

    pattern: str
    tint: tuple[int, int, int]
    angle: int
    """Direction of the stripes or the shading: 0, 45, 90 or 135 degrees."""
    period: float
    """Distance between stripes, as a fraction of the image's side."""


@dataclass(frozen=True)
class Scene:
    """Complete description of an image, except its resolution."""

    groups: tuple[Group, ...]
    """Groups in reading order: left to right, top to bottom."""
    background: Background
    noise: int
    """Seed of the pixel noise."""

    @property
    def layout(self) -> tuple[str, ...]:
        """Places of the groups, one of `LAYOUTS`."""
        return tuple(group.place for group in self.groups)

    @property
    def is_novel(self) -> bool:
        """True if the scene has a combination of colour and shape that is held out of training."""
        return any(group.pair in HELD_OUT for group in self.groups)


def draw_pairs(rng: Random, novel: bool, max_groups: int = MAX_GROUPS) -> list[Pair]:
    """Draws the 1 to `max_groups` distinct (colour, shape) pairs of a scene, one of them held out if `novel`."""
    number = rng.choices((1, 2, 3, 4)[:max_groups], (30, 40, 20, 10)[:max_groups])[0]
    while True:
        pairs = rng.sample(SEEN, number)
        if novel:
            pairs[rng.randrange(number)] = rng.choice(HELD_OUT)
        colours, shapes = ({pair[i] for pair in pairs} for i in (0, 1))
        # At most two groups share a colour or a shape: more would leave too few possible questions.
        if len(colours) + len(shapes) >= 2 * number - 1:
            return pairs


def arrange(
    pairs: Sequence[Pair], rng: Random, max_count: int | None = None, sizes: Sequence[str] = SIZES
) -> Scene:
    """Makes a scene of the given pairs; draws everything else at random.

    Args:
        pairs: 1 to 4 (colour, shape) pairs, in reading order.
        rng: random generator.
        max_count: maximum number of objects in a group, at most `MAX_COUNT`, which is the default.
        sizes: possible sizes of the objects.
    """
    layout = rng.choice(LAYOUTS[len(pairs)])
    max_objects = min(max_count or MAX_COUNT[len(pairs)], MAX_COUNT[len(pairs)])
    groups = []
    for (colour, shape), place in zip(pairs, layout, strict=True):
        size = rng.choice(sizes)
        things = _place(rng, _box(layout, place), rng.randint(1, max_objects), DIAMETER[size])
        groups.append(Group(colour, shape, size, place, things))
    background = Background(
        pattern=rng.choice(PATTERNS),
        tint=rng.choice(_TINTS),
        angle=rng.choice((0, 45, 90, 135)),
        period=round(rng.uniform(0.12, 0.24), 4),
    )
    return Scene(tuple(groups), background, rng.getrandbits(32))


def _box(layout: tuple[str, ...], place: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns the x interval and the y interval of a place."""

    def part(i: int, of: int) -> tuple[float, float]:  # part `i` of `of` equal parts, less the margins
        return i / of + _MARGIN, (i + 1) / of - _MARGIN

    if len(layout) == 4:
        return part(int("right" in place), 2), part(int("bottom" in place), 2)
    if layout == ("middle",):
        return (0.25 + _MARGIN, 0.75 - _MARGIN), part(0, 1)
    parts = max(len(layout), 2)
    across = part({"left": 0, "top": 0, "middle": 1}.get(place, parts - 1), parts)
    return (across, part(0, 1)) if layout[0] in ("left", "right") else (part(0, 1), across)


def _place(
    rng: Random, box: tuple[tuple[float, float], tuple[float, float]], count: int, diameter: float
) -> tuple[Thing, ...]:
    """Places `count` objects in a zigzag along the longer side of a box, without overlap and inside the box."""
    (x0, x1), (y0, y1) = box
    short, long = sorted((x1 - x0, y1 - y0))
    diameter *= rng.uniform(0.93, 1)
    swing = step = 0.0
    if count > 1:
        swing = min(short - diameter, diameter) * rng.uniform(0.95, 1)
        apart = 1.1 * diameter
        closest = max(apart / 2, math.sqrt(max(0.0, apart**2 - swing**2)))
        step = rng.uniform(closest, min((long - diameter) / (count - 1), 1.3 * closest))
    along_room = (long - diameter - step * (count - 1)) / 2
    across_room = (short - diameter - swing) / 2
    # Stay near the middle of the box, so that an object "on the left" does not look "at the top".
    along = rng.uniform(-1, 1) * min(along_room, 0.1)
    across = rng.uniform(-1, 1) * min(across_room, 0.08)
    side = rng.choice((-1, 1))
    things = []
    for i in range(count):
        dx = across + side * (-1) ** i * swing / 2
        dy = along + (i - (count - 1) / 2) * step
        if x1 - x0 > y1 - y0:
            dx, dy = dy, dx
        x, y = (x0 + x1) / 2 + dx, (y0 + y1) / 2 + dy
        things.append(Thing(round(x, 4), round(y, 4), round(diameter, 4), round(rng.uniform(-10, 10), 2)))
    return tuple(things)
