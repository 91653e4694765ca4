"""Clips of one moving object, drawn so that only the order of the frames tells the direction.

The object stands in the cells of a square grid, in another column and another row at each step. Along its direction
the columns (or rows) follow each other, and the grid is closed: an object that leaves at one side comes back at the
other. Across its direction it hops from cell to cell in random order. So for every direction alike:

- the place in the first, the last or any other single frame is uniform over the grid;
- the frames without their order are equally likely: left, right, up and down visit the same sets of cells.

An object that rests at the end has the same frames as one that rests at the start, and so have two clips that differ in
the square that the object is behind first. A model that sees one frame, or all frames in random order, can therefore
expect to be right on a quarter of the directions and on half of the other questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from typing import Literal, TypeAlias, get_args

from frozenvl.data.scenes.description import COLOURS, DIAMETER, Background, Group, Pair, Scene, Thing

Direction: TypeAlias = Literal["left", "right", "up", "down"]
Event: TypeAlias = Literal["move", "rest", "behind"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
EVENTS: tuple[Event, ...] = get_args(Event)
"""The object moves in all frames; rests at the end or the start; or is behind two squares on its way."""
MIN_FRAMES, MAX_FRAMES = 6, 12

Cell: TypeAlias = tuple[int, int]
"""(column, row)"""

_MARGIN = 0.1
_SCREEN = 0.24
"""Diameter of a square's bounding circle: the square hides an object whose cell it has."""
_MAX_CORRELATION = 0.25
"""Largest correlation of columns and rows, so that a path does not look diagonal."""


@dataclass(frozen=True)
class Look:
    """What all frames of a clip share: the moving object, without its place, and the background."""

    pair: Pair
    thing: Thing
    background: Background
    noise: int


@dataclass(frozen=True)
class Motion:
    """A clip of one moving object."""

    pair: Pair
    """Colour and shape of the object."""
    direction: Direction
    event: Event
    stops: bool
    """True if the object moves first and then rests."""
    screens: tuple[str, ...]
    """Colours of the squares that the object is behind, in order; empty if there are none."""
    frames: tuple[Scene, ...]


def look(scene: Scene) -> Look:
    """Takes the look of a clip from a scene of one object. The object becomes small: a grid has room for it."""
    (group,) = scene.groups
    thing = replace(group.things[0], diameter=DIAMETER["small"])
    return Look(group.pair, thing, scene.background, scene.noise)


def move(look: Look, rng: Random, event: Event, number: int, straight: bool = False) -> Motion:
    """Makes a clip.

    Args:
        look: object and background.
        rng: random generator.
        event: what happens.
        number: number of frames, from `MIN_FRAMES` to `MAX_FRAMES`; also the number of columns and of rows.
        straight: whether the object keeps to its row or column instead of hopping. Its frames in any order then tell
            whether it moves across or up and down.
    """
    direction, stops = rng.choice(DIRECTIONS), event == "rest" and rng.random() < 0.5
    cells = _path(rng, direction, event, stops, number, straight)
    coloured: dict[Cell, str] = {}
    if event == "behind":
        colours = rng.sample([colour for colour in COLOURS if colour != look.pair[0]], 2)
        coloured = dict(zip(rng.choice(_apart(cells, number)), colours, strict=True))
    ordered = tuple(coloured[cell] for cell in cells if cell in coloured)
    frames = tuple(_frame(look, cell, coloured, number) for cell in cells)
    return Motion(look.pair, direction, event, stops, ordered, frames)


def _path(
    rng: Random, direction: Direction, event: Event, stops: bool, number: int, straight: bool
) -> list[Cell]:
    """Draws the cell of each frame."""
    steps = number if event != "rest" else number - number // 3
    hops = _hops(rng, steps, event == "rest")
    start, shift = rng.randrange(number), rng.randrange(number)
    along = [(start + step) % number for step in range(steps)]
    across = [(shift + (0 if straight else hop)) % number for hop in hops]
    cells = [(a, c) if direction in ("left", "right") else (c, a) for a, c in zip(along, across, strict=True)]
    mirrored = lambda cells: [_mirrored(cell, direction, number) for cell in cells]
    if direction in ("left", "up"):
        cells = mirrored(cells)
    if event == "rest":
        cells += cells[-1:] * (number - steps)
        if (
            not stops
        ):  # backwards it rests first, and moves the other way: so does its mirror image, the right way
            cells = mirrored(cells[::-1])
    return cells


def _mirrored(cell: Cell, direction: Direction, number: int) -> Cell:
    """Mirrors a cell along a direction."""
    column, row = cell
    return (number - 1 - column, row) if direction in ("left", "right") else (column, number - 1 - row)


def _hops(rng: Random, steps: int, rests: bool) -> list[int]:
    """Draws the order of the cells across the direction. An object that rests ends in the first or the last cell.

    The inverse of an order is as likely as the order, so that rows and columns can change places.
    """
    hops, last = list(range(steps)), steps - 1
    while True:
        rng.shuffle(hops)
        if abs(_correlation(hops)) <= _MAX_CORRELATION and (not rests or hops[last] in (0, last)):
            return hops


def _correlation(order: Sequence[int]) -> float:
    """Returns the correlation of a permutation with the order 0, 1, 2, …"""
    n = len(order)
    middle = (n - 1) / 2
    return sum((i - middle) * (x - middle) for i, x in enumerate(order)) / (n * (n * n - 1) / 12)


def _apart(cells: Sequence[Cell], number: int) -> list[tuple[Cell, Cell]]:
    """Returns the pairs of cells whose squares do not overlap and are not passed in successive frames."""
    spacing = _centre(1, number) - _centre(0, number)
    pairs = []
    for one, other in combinations(sorted(set(cells)), 2):
        distances = [abs(a - b) for a, b in zip(one, other, strict=True)]
        in_turn = any(distance in (1, number - 1) for distance in distances)
        if max(distances) * spacing > _SCREEN * 0.75 and not in_turn:
            pairs.append((one, other))
    return pairs


def _frame(look: Look, cell: Cell, screens: dict[Cell, str], number: int) -> Scene:
    """Makes the scene of one frame. Squares come last: they hide what is behind them."""
    at = lambda cell: {name: round(_centre(i, number), 4) for name, i in zip("xy", cell, strict=True)}
    colour, shape = look.pair
    groups = [Group(colour, shape, "small", "", (replace(look.thing, **at(cell)),))]
    for place, colour in screens.items():
        square = Thing(**at(place), diameter=_SCREEN, tilt=0.0)
        groups.append(Group(colour, "square", "large", "", (square,)))
    return Scene(tuple(groups), look.background, look.noise)


def _centre(index: int, number: int) -> float:
    return _MARGIN + (1 - 2 * _MARGIN) * (index + 0.5) / number
