"""Sources and images to evaluate on that a test can spell out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import PIL.Image

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image, Prompt
from frozenvl.util.errors import UnreadableImage


@dataclass(frozen=True)
class Square(Image):
    """One colour under some noise."""

    name: str
    colour: tuple[int, int, int] = (128, 128, 128)
    noise: float = 0.0

    def read(self, side: int | None = None) -> PIL.Image.Image:
        random = np.random.default_rng(sum(self.name.encode()))
        pixels = np.full((64, 64, 3), self.colour) + self.noise * random.standard_normal((64, 64, 3))
        return PIL.Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Broken(Image):
    name: str = "broken"

    def read(self, side: int | None = None) -> PIL.Image.Image:
        raise UnreadableImage(f"{self.name}: not a readable image (torn); remove or replace it", self)

    @property
    def digest(self) -> str:
        raise UnreadableImage(f"{self.name}: not a readable image (torn); remove or replace it", self)


class Rows(Source):
    """A source of these examples."""

    def __init__(self, *examples: Example) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


def question(number: int, image: Image | None = None, text: str = "", answer: str = "yes", **more) -> Example:
    """A question that ten annotators agree about."""
    image = image or Square(f"{number}.png", (20 * number % 256, 100, 255 - 20 * number % 256))
    more = {"references": (answer,) * 10} | more
    return Example(
        f"q{number}", image, image.name, question=text or f"Is it {number}?", answer=answer, **more
    )


def words(prompt: Prompt) -> str:
    """A prompt as one text, images by name."""
    return "".join(part if isinstance(part, str) else f"<{part.name}>" for part in prompt)
