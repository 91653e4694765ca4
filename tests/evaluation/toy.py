"""Sources and images to evaluate on that a test can spell out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import PIL.Image

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.prompt import Episode, Example, Image, Prompt
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


def request(key: str, *prompt: str | Image, shared: int = 0) -> Request:
    """A request that shows its query as it is."""
    return Request(Query(key, prompt, key), prompt, shared)


def episode(*names: str, answer: str = "dax", question: str = "This is a", key: str = "1") -> Episode:
    """An episode with a support image for each of the names: a.png, b.png … in this order."""
    support = tuple((Square(f"{chr(97 + n)}.png"), f"This is a {name}") for n, name in enumerate(names))
    return Episode(key, support, Square("q.png"), question, answer, tuple(dict.fromkeys(names)))


def asked(benchmark) -> dict[str, str]:
    """The first prompt of each setting, in words."""
    return {setting.name: words(benchmark.queries(setting)[0].prompt) for setting in benchmark.settings()}


TWO = {"2way": [episode("dax", "blicket")]}
"""One set, of one episode with two ways."""


def answer(text: str, ended: bool = True, name: str = "dax") -> Answer:
    """An answer to a query whose only right answer is a name."""
    return Answer(Query(text, (), text, (name,)), text, ended=ended)
