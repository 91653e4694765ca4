"""Images of an evaluation harness's documents as images of this package."""

from __future__ import annotations

import hashlib
import re
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import PIL.Image

from frozenvl.images import Image
from frozenvl.prompt import Prompt
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.imaging import upright_rgb
from frozenvl.video.files import image_or_video
from frozenvl.video.sampling import Sampling

AUDIO = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus")
"""Suffixes of audio files."""
PLACEHOLDER = re.compile(r"<image(?: (\d+))?>")
"""Place of an image in a text: the next one, or one by its number, from 1."""


@dataclass(frozen=True)
class DecodedImage(Image):
    """An image that was decoded elsewhere. Images of equal pixels are equal.

    Caches whose keys are images live longer than the pixels of a batch. So it refers to its pixels weakly.
    """

    name: str = field(compare=False)
    hashed: str
    """Hash of the pixels."""
    pixels: weakref.ReferenceType[PIL.Image.Image] = field(compare=False, repr=False)

    @property
    def key(self) -> str:
        return self.hashed

    @property
    def digest(self) -> str:
        return self.hashed

    def read(self, side: int | None = None) -> PIL.Image.Image:
        image = self.pixels()
        if image is None:
            raise UnreadableImage(f"{self.name}: its batch is over, and its pixels are gone")
        return image


def pixel_digest(image: PIL.Image.Image) -> str:
    """Returns a hash of the size and the pixels of an RGB image."""
    return hashlib.sha256(f"{image.size} ".encode() + image.tobytes()).hexdigest()[:32]


def images_of(visuals: Any, name: str, sampling: Sampling, alive: list[PIL.Image.Image]) -> Iterator[Image]:
    """Yields the images and videos of a document.

    Args:
        visuals: what the harness gives: images of Pillow, names of files, or lists of them; None for nothing.
        name: name of the document, for messages.
        sampling: rule that chooses the frames of a video.
        alive: list that gets the pixels of decoded images. They can be read as long as it exists.

    Raises:
        UserError: if something is neither an image nor a video.
    """
    if visuals is None:
        return
    if isinstance(visuals, list | tuple):
        for visual in visuals:
            yield from images_of(visual, name, sampling, alive)
    elif isinstance(visuals, PIL.Image.Image):
        image = upright_rgb(visuals.copy())
        alive.append(image)
        yield DecodedImage(name, pixel_digest(image), weakref.ref(image))
    elif isinstance(visuals, str | Path) and Path(visuals).suffix.lower() not in AUDIO:
        if not Path(visuals).is_file():
            raise UserError(f"{name}: no such image or video: {visuals}")
        yield image_or_video(Path(visuals), sampling)
    else:
        raise UserError(
            f"{name}: holds {described(visuals)}; a model of frozenvl reads images and videos, so leave this task out"
        )


def described(visual: Any) -> str:
    """Describes something that is no image."""
    if isinstance(visual, str | Path) or (isinstance(visual, dict) and "sampling_rate" in visual):
        return "audio"
    if isinstance(visual, dict) and visual.keys() & {"video_start", "video_end"}:
        return "a part of a video"
    return f"an object of the type {type(visual).__name__}"


def interleaved(text: str, images: Sequence[Image], name: str) -> Prompt:
    """Returns images and text in the order of their placeholders. Images without one stand in front.

    Args:
        text: text with any number of `<image>` (the next image) and `<image N>` (image N, from 1).
        images: images of the text.
        name: name of the document, for messages.

    Raises:
        UserError: if a placeholder has no image.
    """
    parts: list[str | Image] = []
    used: set[int] = set()
    start = following = 0
    for place in PLACEHOLDER.finditer(text):
        number = int(place[1]) - 1 if place[1] else following
        following += not place[1]
        if not 0 <= number < len(images):
            raise UserError(f"{name}: its text has {place[0]}, and it has {len(images)} images")
        parts += [text[start : place.start()], images[number]]
        used.add(number)
        start = place.end()
    front = [image for number, image in enumerate(images) if number not in used]
    return tuple(part for part in (*front, *parts, text[start:]) if part != "")
