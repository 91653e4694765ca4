"""Small sources, images, queries and answers for tests of evaluation."""

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
    """Image of one colour with some noise."""

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
    """Source of the given examples."""

    def __init__(self, *examples: Example) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


def question(number: int, image: Image | None = None, text: str = "", answer: str = "yes", **more) -> Example:
    """Makes a question that ten annotators agree about."""
    image = image or Square(f"{number}.png", (20 * number % 256, 100, 255 - 20 * number % 256))
    more = {"references": (answer,) * 10} | more
    return Example(
        f"q{number}", image, image.name, question=text or f"Is it {number}?", answer=answer, **more
    )


def words(prompt: Prompt) -> str:
    """Returns a prompt as one text, with images as `<name>`."""
    return "".join(part if isinstance(part, str) else f"<{part.name}>" for part in prompt)


def request(key: str, *prompt: str | Image, shared: int = 0) -> Request:
    """Makes a request that shows its query unchanged."""
    return Request(Query(key, prompt, key), prompt, shared)


def episode(*names: str, answer: str = "dax", question: str = "This is a", key: str = "1") -> Episode:
    """Makes an episode with a support image for each name: a.png, b.png … in this order."""
    support = tuple((Square(f"{chr(97 + n)}.png"), f"This is a {name}") for n, name in enumerate(names))
    return Episode(key, support, Square("q.png"), question, answer, tuple(dict.fromkeys(names)))


def first_prompts(benchmark) -> dict[str, str]:
    """Returns the first prompt of each setting, as text."""
    return {setting.name: words(benchmark.queries(setting)[0].prompt) for setting in benchmark.settings()}


TWO = {"2way": [episode("dax", "blicket")]}
"""One set with one episode of two ways."""


def answer(text: str, ended: bool = True, name: str = "dax") -> Answer:
    """Makes an answer to a query whose only right answer is `name`."""
    return Answer(Query(text, (), text, (name,)), text, ended=ended)
