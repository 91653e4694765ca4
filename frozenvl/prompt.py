"""Everything is a prompt: a sequence of text and images.

Captioning, question answering, few-shot learning and naming differ only in how their prompts are worded and
scored. This file words them, and knows nothing of tensors.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import PIL.Image

from frozenvl.util.imaging import content, decode


class Image(ABC):
    """A reference to an image. Nothing is read until somebody needs its pixels."""

    name: str
    """What a person calls it, such as a file's name."""

    @property
    def key(self) -> str:
        """Tells the images of a run apart."""
        return self.name

    @abstractmethod
    def read(self, side: int | None = None) -> PIL.Image.Image:
        """The pixels, as RGB.

        Args:
            side: of the square that the image will be fitted into, in pixels: it may be read at a reduced size,
                as long as it is not below that.

        Raises:
            UnreadableImage: where they cannot be had.
        """

    @property
    @abstractmethod
    def digest(self) -> str:
        """Identity of the content, as hex: equal digests, equal pixels. Keys of feature caches.

        Raises:
            UnreadableImage: where the content cannot be had.
        """


@dataclass(frozen=True)
class ImageFile(Image):
    """An image file on disk."""

    path: Path

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.path.name

    @property
    def key(self) -> str:
        return str(self.path)

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return decode(self.path, str(self.path), side)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        return hashlib.sha256(content(self.path, str(self.path))).hexdigest()[:32]


@dataclass(frozen=True)
class BlackImage(Image):
    """Raw pixels 0, before normalisation: what a blind model is shown (Frozen, section 4)."""

    size: int = 64
    name: str = "black"

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return PIL.Image.new("RGB", (self.size, self.size))

    @property
    def digest(self) -> str:  # type: ignore[override]
        return "0" * 32


class Learned(str):
    """A text within a prompt that is trained on, as what follows a prompt is: a demonstration's answer."""


Prompt: TypeAlias = tuple["str | Image", ...]
"""Text and images in the order in which the language model meets them."""


@dataclass(frozen=True)
class Sample:
    """A prompt, what should follow it, and where it came from."""

    id: str
    prompt: Prompt
    target: str = ""

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for part in self.prompt if isinstance(part, Image))

    def with_images(self, change: Callable[[Image], Image]) -> Sample:
        """The same sample with every image changed."""
        return replace(self, prompt=with_images(self.prompt, change))


def with_images(prompt: Prompt, change: Callable[[Image], Image]) -> Prompt:
    """A prompt with every image changed."""
    return tuple(change(part) if isinstance(part, Image) else part for part in prompt)


def joined(parts: Iterable[str | Image]) -> Prompt:
    """A prompt with neighbouring texts joined, but for those that are learned, and empty ones left out."""
    prompt: list[str | Image] = []
    for part in parts:
        if type(part) is str and prompt and type(prompt[-1]) is str:
            prompt[-1] += part
        elif part != "":
            prompt.append(part)
    return tuple(prompt)


def black(image: Image) -> Image:
    """What a blind model is shown in an image's place."""
    return BlackImage()


@dataclass(frozen=True)
class Example:
    """What a data set says about one image or one question, not yet worded as a prompt."""

    id: str
    """Unique within its source, the same in every run."""
    image: Image
    image_id: str
    """Examples about the same photograph share it: a demonstration never has its query's."""
    references: tuple[str, ...] = ()
    """Captions, or the annotators' answers; the first that `answer` picks is trained on."""
    question: str = ""
    answer: str = ""
    """The answer trained on and shown in demonstrations (the majority's); empty for captions."""
    kind: dict[str, str] = field(default_factory=dict)
    """Labels to break scores down by, such as `answer_type`."""
    scores: dict[str, float] = field(default_factory=dict)
    """Answer → score from 0 to 1, where a data set has such in place of annotators' answers."""
    choices: tuple[str, ...] = ()
    """Answers to choose among, where a data set gives them: the right one stands first."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The texts that are trained on: one pair each."""
        return (self.answer,) if self.answer else self.references


@dataclass(frozen=True)
class Episode:
    """A task of its own: new words are bound to kinds of objects by the support, then asked for."""

    id: str
    support: tuple[tuple[Image, str], ...]
    """(image, caption), in the order in which they are shown."""
    query: Image
    question: str
    answer: str
    choices: tuple[str, ...]
    """The new words, one for each way; `answer` is one of them. Empty where the answer is no such word."""
