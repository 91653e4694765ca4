"""Prompts (sequences of text and images) and the samples, examples and episodes that they are made from.

Captioning, question answering, few-shot learning and naming differ only in how their prompts are worded and
scored. This module does not import torch.
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

from frozenvl.util.contact_sheet import contact_sheet
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import content, decode


class Image(ABC):
    """A lazy reference to an image: nothing is read before `read` or `digest` is used."""

    name: str
    """Name for messages and reports, such as the file name."""

    @property
    def key(self) -> str:
        """Identifier of the image, unique within a run."""
        return self.name

    @property
    def origin(self) -> Image:
        """The image that this one is a part or a version of; by default itself."""
        return self

    @property
    def frames(self) -> tuple[Image, ...]:
        """Images that stand for it in a prompt, in order: the sampled frames of a video, by default itself.

        Raises:
            UnreadableImage: if a video has to be opened to find its frames, and cannot be.
        """
        return (self,)

    @property
    def max_frames(self) -> int:
        """Largest number of `frames`, without reading anything."""
        return 1

    @property
    def sampled_by(self) -> str:
        """Rule by which its frames are sampled, for the provenance of scores; empty for a single image."""
        return ""

    def changed(self, change: Callable[[Image], Image]) -> Image:
        """Returns the image with `change` applied to it; to each frame, if it has several."""
        return change(self)

    def drawn(self, seed: int) -> Image:
        """Returns the image with its frames drawn at random by a seed, if its rule draws; else itself."""
        return self

    def holds(self, image: Image) -> bool:
        """Tells whether an image is this one or one of its frames."""
        return image == self

    @abstractmethod
    def read(self, side: int | None = None) -> PIL.Image.Image:
        """Reads the pixels, as RGB.

        Args:
            side: side of the square that the image will be fitted into, in pixels. The image may be decoded at a
                reduced size that is not smaller than this.

        Raises:
            UnreadableImage: if the image cannot be read.
        """

    @property
    @abstractmethod
    def digest(self) -> str:
        """Hex hash of the content, the key in feature caches: equal digests mean equal pixels.

        Raises:
            UnreadableImage: if the image cannot be read.
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
        try:
            with self.path.open("rb") as file:  # in pieces: a video may be larger than memory
                return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        except (OSError, ValueError):  # `content` says what is wrong
            return hashlib.sha256(content(self.path, str(self.path))).hexdigest()[:32]

    def set_digest(self, digest: str) -> None:
        """Sets the digest, for callers that know it without reading the file."""
        self.__dict__["digest"] = digest


@dataclass(frozen=True)
class StoredImage(Image):
    """An image whose encoded bytes a data set stores, such as in a table. They are read at each access."""

    name: str
    place: str
    """Place in the data set, unique within a run."""
    load: Callable[[], bytes] = field(compare=False, repr=False)
    """Returns the encoded bytes; may raise `UnreadableImage`."""

    @property
    def key(self) -> str:
        return self.place

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return decode(self.load(), self.name, side)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        return hashlib.sha256(self.load()).hexdigest()[:32]


@dataclass(frozen=True)
class CroppedImage(Image):
    """A rectangle of an image. Where it reaches beyond the image, it is black."""

    image: Image
    box: tuple[int, int, int, int]
    """Left, top, right and bottom, in pixels of the whole image."""

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.image.name

    @property
    def key(self) -> str:
        return f"{self.image.key}#{self.box}"

    @property
    def origin(self) -> Image:
        return self.image.origin

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return self.image.read().crop(self.box)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        return hashlib.sha256(f"{self.image.digest} {self.box}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class BlackImage(Image):
    """An image whose raw pixels, before normalisation, are all 0: the input of a blind model (Frozen, section 4)."""

    size: int = 64
    name: str = "black"

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return PIL.Image.new("RGB", (self.size, self.size))

    @property
    def digest(self) -> str:  # type: ignore[override]
        return "0" * 32


class ImageSequence(Image):
    """Several images in a row in place of one, such as the frames of a video. A subclass gives `frames`."""

    @property
    @abstractmethod
    def frames(self) -> tuple[Image, ...]: ...

    @property
    @abstractmethod
    def max_frames(self) -> int: ...

    def changed(self, change: Callable[[Image], Image]) -> Image:
        return ChangedSequence(self, change)

    def holds(self, image: Image) -> bool:
        try:
            return image == self or image in self.frames
        except UnreadableImage as error:
            return bool(image == error.image)

    def read(self, side: int | None = None) -> PIL.Image.Image:
        """Reads a contact sheet of the frames, for galleries. A model reads each frame."""
        return contact_sheet([frame.read(side) for frame in self.frames])

    @property
    def digest(self) -> str:
        return hashlib.sha256(" ".join(frame.digest for frame in self.frames).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class ChangedSequence(ImageSequence):
    """A sequence with a function applied to each frame. Its frames are found when they are first needed."""

    sequence: Image
    change: Callable[[Image], Image]

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.sequence.name

    @property
    def key(self) -> str:
        return self.sequence.key

    @property
    def origin(self) -> Image:
        return self.sequence.origin

    @cached_property
    def frames(self) -> tuple[Image, ...]:  # type: ignore[override]
        return tuple(frame.changed(self.change) for frame in self.sequence.frames)

    @property
    def max_frames(self) -> int:
        return self.sequence.max_frames

    @property
    def sampled_by(self) -> str:
        return self.sequence.sampled_by

    def drawn(self, seed: int) -> Image:
        return ChangedSequence(self.sequence.drawn(seed), self.change)


class Learned(str):
    """A text inside a prompt that is trained on like the target, such as the answer of a demonstration."""


@dataclass(frozen=True)
class Marker:
    """A trained input vector inside a prompt, such as FROMAGe's `[RET]`. A head owns the vector."""

    name: str
    """Name of the vector."""


Prompt: TypeAlias = tuple["str | Image | Marker", ...]
"""Texts, images and markers in the order in which the language model reads them."""


@dataclass(frozen=True)
class Sample:
    """A prompt, its target text, and the id of the example it was made from."""

    id: str
    prompt: Prompt
    target: str = ""
    objectives: tuple[str, ...] | None = None
    """Names of the objectives that train on it; None for all."""

    @property
    def images(self) -> tuple[Image, ...]:
        """Images of the prompt, in order. A video is one image, with several frames."""
        return tuple(part for part in self.prompt if isinstance(part, Image))

    def with_images(self, change: Callable[[Image], Image]) -> Sample:
        """Returns a copy with `change` applied to every image of the prompt, and to each frame of a video."""
        return replace(self, prompt=with_images(self.prompt, change))

    def drawn(self, seed: int) -> Sample:
        """Returns a copy whose videos have frames drawn by a seed, where their sampling draws at random."""
        prompt = tuple(part.drawn(seed) if isinstance(part, Image) else part for part in self.prompt)
        return replace(self, prompt=prompt)

    def holds(self, image: Image) -> bool:
        """Tells whether an image is one of the prompt's, or a frame of one."""
        return any(part.holds(image) for part in self.images)


def with_images(prompt: Prompt, change: Callable[[Image], Image]) -> Prompt:
    """Returns the prompt with `change` applied to every image, and to each frame of a video."""
    return tuple(part.changed(change) if isinstance(part, Image) else part for part in prompt)


def joined(parts: Iterable[str | Image | Marker]) -> Prompt:
    """Makes a prompt: joins neighbouring texts, except `Learned` ones, and drops empty texts."""
    prompt: list[str | Image | Marker] = []
    for part in parts:
        if type(part) is str and prompt and type(prompt[-1]) is str:
            prompt[-1] += part
        elif part != "":
            prompt.append(part)
    return tuple(prompt)


def without_images(prompt: Prompt) -> Prompt:
    """Returns the texts of a prompt, joined; () if it has none."""
    text = "".join(part for part in prompt if isinstance(part, str))
    return (text,) if text else ()


def black(image: Image) -> Image:
    """Returns the black image that a blind model sees in place of `image`."""
    return BlackImage()


@dataclass(frozen=True)
class Example:
    """One record of a data set (an image with captions, or a question), before a template words it as a prompt."""

    id: str
    """Identifier, unique within the source and the same in every run."""
    image: Image
    image_id: str
    """Identifier of the photograph. A demonstration never has the `image_id` of its query."""
    references: tuple[str, ...] = ()
    """Captions (all are trained on), or the annotators' answers (`answer` is trained on)."""
    question: str = ""
    answer: str = ""
    """Majority answer, used as training target and in demonstrations; empty for captions."""
    kind: dict[str, str] = field(default_factory=dict)
    """Labels by which scores are broken down, such as `answer_type`."""
    scores: dict[str, float] = field(default_factory=dict)
    """Soft scores: answer → score from 0 to 1, for data sets that have these instead of annotators' answers."""
    choices: tuple[str, ...] = ()
    """Multiple-choice answers, the correct one first; empty if the data set has none."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Target texts for training: the answer, or all captions. Each makes one (image, text) pair."""
        return (self.answer,) if self.answer else self.references


@dataclass(frozen=True)
class Episode:
    """A few-shot naming episode: the support set binds words to classes, the query asks for one of them."""

    id: str
    support: tuple[tuple[Image, str], ...]
    """Support set: (image, caption) pairs in prompt order."""
    query: Image
    question: str
    answer: str
    choices: tuple[str, ...]
    """Candidate names, one for each of the n ways, `answer` among them; empty if the answer is not such a name."""
