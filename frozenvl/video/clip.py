"""Clips: all frames of a video file with their times, or a list of images in place of a file."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import PIL.Image

from frozenvl.prompt import Image, ImageFile
from frozenvl.util.errors import UnreadableImage
from frozenvl.video.frame_buffer import BUFFER
from frozenvl.video.times import Times

REMEMBERED = 8192
"""Number of video files of which a process remembers the times of the frames: 8 bytes for each frame."""


class Clip(ABC):
    """All frames of a video, with the time of each. `Sampling` chooses among them."""

    name: str
    """Name for messages and reports, such as the file name."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Identifier of the clip, unique within a run."""

    @property
    @abstractmethod
    def times(self) -> Times:
        """Times of the frames. Raises `UnreadableImage` if the clip cannot be opened or has no frame."""

    @abstractmethod
    def frames(self, indices: Sequence[int]) -> Iterator[Image]:
        """Yields the frame at each index."""


@dataclass(frozen=True)
class ImageClip(Clip):
    """A list of images as the frames of a clip, one a tick."""

    images: tuple[Image, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.images[0].name

    @property
    def key(self) -> str:
        return "+".join(dict.fromkeys((self.images[0].key, self.images[-1].key)))

    @property
    def times(self) -> Times:
        return Times(range(len(self.images)), len(self.images), Fraction(1))

    def frames(self, indices: Sequence[int]) -> Iterator[Image]:
        return (self.images[index] for index in indices)


@dataclass(frozen=True)
class VideoFile(Clip):
    """A video file on disk or in a tar."""

    file: Image
    """Image object that holds the encoded bytes: an `ImageFile`, or a member of a tar or a table."""

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.file.name

    @property
    def key(self) -> str:
        return self.file.key

    @property
    def where(self) -> str:
        """The clip in messages: its path, or the name of a member of a tar or a table."""
        return str(self.file.path) if isinstance(self.file, ImageFile) else self.name

    def content(self) -> Path | bytes:
        """Returns the path of the file, or its bytes if it is a member of a tar or a table.

        Raises:
            UnreadableImage: if the bytes cannot be read.
        """
        if isinstance(self.file, ImageFile):
            return self.file.path
        stored: Any = self.file
        return stored.load() if hasattr(stored, "load") else stored.content()

    @cached_property
    def times(self) -> Times:  # type: ignore[override]
        source = self.content()
        if isinstance(source, Path):
            try:
                status = source.stat()
                return times_of(source, (status.st_mtime_ns, status.st_size))
            except (OSError, ValueError):  # a name may hold a null character; `read_times` says what is wrong
                pass
        from frozenvl.video.decode import read_times  # PyAV is not needed to build a prompt

        return read_times(source, self.where)

    def rotation(self) -> int:
        """Returns the degrees, counterclockwise, by which the display matrix turns the clip; 0 without one."""
        from frozenvl.video.decode import read_rotation

        return read_rotation(self.content(), self.where)

    def frames(self, indices: Sequence[int]) -> Iterator[Image]:
        group = tuple(dict.fromkeys(indices))
        return (VideoFrame(self, index, group) for index in indices)

    def decode(self, indices: Sequence[int]) -> dict[int, PIL.Image.Image]:
        """Decodes the frames at some indices: index → picture.

        Raises:
            UnreadableImage: if a frame cannot be decoded.
        """
        from frozenvl.video.decode import read_frames

        return read_frames(self.content(), self.where, self.times, indices)


@lru_cache(REMEMBERED)
def times_of(path: Path, state: tuple[int, int]) -> Times:
    """Returns the times of a video file's frames, read once while the file stays the same.

    Args:
        path: the file.
        state: time of its last change and size.
    """
    from frozenvl.video.decode import read_times

    return read_times(path, str(path))


@dataclass(frozen=True)
class VideoFrame(Image):
    """A frame of a video file."""

    clip: VideoFile
    index: int
    """Index among all frames of the clip."""
    group: tuple[int, ...] = field(compare=False, repr=False)
    """Indices of the frames that are likely to be read with this one, and so decoded in one pass."""

    @cached_property
    def seconds(self) -> str:
        """Time since the start of the clip's clock, in seconds."""
        times = self.clip.times
        return f"{float(times.ticks[self.index] * times.tick):.6f}".rstrip("0").rstrip(".")

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.clip.name}#{self.seconds}"

    @property
    def key(self) -> str:
        return f"{self.clip.key}#{self.seconds}"

    @property
    def origin(self) -> Image:
        return self.clip.file

    def read(self, side: int | None = None) -> PIL.Image.Image:
        try:
            return BUFFER.take(self.clip, self.index, self.group)
        except UnreadableImage as error:
            raise UnreadableImage(str(error), self) from None

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        times = self.clip.times
        moment = f"{self.clip.file.digest} frame at {times.ticks[self.index]} × {times.tick} s"
        return hashlib.sha256(moment.encode()).hexdigest()[:32]
