"""Images of prompts: lazy references to files, stored bytes, parts of images, and frames in a row. No torch here."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

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


def black(image: Image) -> Image:
    """Returns the black image that a blind model sees in place of `image`."""
    return BlackImage()


NO_IMAGE = BlackImage(name="no image")
"""Image of an example without one: a conversation that is text only. It is not read."""
