"""Custom source: squares of one colour, with captions that name the colour."""

from __future__ import annotations

from dataclasses import dataclass

import PIL.Image

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image

COLOURS = ("red", "green", "blue", "yellow")


@dataclass(frozen=True)
class Square(Image):
    """Image of one colour."""

    name: str

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return PIL.Image.new("RGB", (side or 32,) * 2, self.name)

    @property
    def digest(self) -> str:
        return f"square-{self.name}"


class Squares(Source):
    """Squares with captions.

    Args:
        size: number of squares.
    """

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Example:
        colour = COLOURS[index % len(COLOURS)]
        return Example(str(index), Square(colour), colour, (f"a {colour} square",))


class Holes(Squares):
    """Returns None instead of an example."""

    def __getitem__(self, index: int) -> Example:
        return None  # type: ignore[return-value]
