"""Images of one colour that count how often they are read."""

from __future__ import annotations

import hashlib

import PIL.Image

from frozenvl.prompt import Image


class Painted(Image):
    def __init__(self, colour: str, size: tuple[int, int] = (48, 32)) -> None:
        self.colour, self.size, self.reads = colour, size, 0
        self.name = f"{colour} {size}"

    def read(self, side: int | None = None) -> PIL.Image.Image:
        self.reads += 1
        return PIL.Image.new("RGB", self.size, self.colour)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]
