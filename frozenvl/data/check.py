"""Reads all of a source and says what is wrong with it, and what is only odd."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import PIL.Image
from PIL.ExifTags import Base

from frozenvl.data.shards.contents import in_order, original
from frozenvl.data.sources.shards import Shards, TarImage
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import decode

BAD = ("unreadable", "empty text")
"""What makes an example useless."""
LARGE_PIXELS, LARGE_SIDE = 50_000_000, 10_000
"""Of images that are worth reducing once for all."""
LONG_TEXT = 1000
"""Characters of a text that is hardly a caption."""
FORMATS = {"JPG": "JPEG", "TIF": "TIFF", "JFIF": "JPEG", "MPO": "JPEG"}
"""Other names of a format."""

Finding = tuple[str, str]
"""(kind, which example and what is the matter)."""


@dataclass
class Report:
    """What was found."""

    examples: int
    images: int = 0
    texts: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)
    """By kind: which example, and what is the matter."""
    index: dict[str, int] = field(default_factory=dict)
    """What was odd in tars when they were indexed."""

    @property
    def bad(self) -> int:
        """How many images or texts cannot be used."""
        return sum(len(self.found.get(kind, ())) for kind in BAD)

    def as_json(self) -> dict[str, Any]:
        counts = {kind: len(lines) for kind, lines in self.found.items()}
        return {
            "examples": self.examples,
            "images": self.images,
            "texts": self.texts,
            "bad": self.bad,
            "counts": counts,
            "index": self.index,
            "found": self.found,
        }


@dataclass(frozen=True)
class _Read:
    """What is known of an example after it was read."""

    id: str
    image_id: str
    digest: bytes | None
    """Of the image's content; None where there is none, or another example has the image, too."""
    texts: int
    findings: list[Finding]


def check(source: Source, report: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Reads every example, and every image once and in full.

    Args:
        source: what is checked.
        report: told the numbers (done, total) of examples.
    """
    result = Report(len(source))
    if isinstance(source, Shards):
        for shard in source.shards:
            for what, count in shard.notes.items():
                result.index[what] = result.index.get(what, 0) + count
    ids: set[str] = set()
    images: dict[str, int] = {}
    contents: dict[bytes, tuple[str, str]] = {}
    for number, read in enumerate(in_order(partial(_read, source, images), range(len(source)))):
        findings = list(read.findings)
        if read.id in ids:
            findings.append(("repeated id", read.id))
        if read.digest:
            first, about = contents.setdefault(read.digest, (read.id, read.image_id))
            if about != read.image_id:
                findings.append(("same image", f"{read.id}: as {first}"))
        ids.add(read.id)
        result.texts += read.texts
        for kind, line in findings:
            result.found.setdefault(kind, []).append(line)
        report(number + 1, len(source))
    result.images = len(images)
    return result


def _read(source: Source, images: dict[str, int], number: int) -> _Read:
    try:
        example = source[number]
    except UnreadableImage as error:  # a row that is none
        return _Read(f"#{number}", "", None, 0, [("unreadable", f"#{number}: {error}")])
    name = example.image.name
    findings = [(kind, f"{example.id}: {what}") for kind, what in _odd_texts(example)]
    digest = None
    if images.setdefault(name, number) == number:  # which one thread at most finds true
        try:
            data = original(example.image)
            if data is None:
                example.image.read()
                digest = example.image.digest.encode()
            else:
                findings += [(kind, f"{name}: {what}") for kind, what in _odd_image(data, name)]
                digest = hashlib.sha256(data).digest()
                decode(data, name)
        except UnreadableImage as error:
            # A sample of a tar without text has an unreadable image, too: that is said once.
            if not (isinstance(example.image, TarImage) and example.image.flaw and findings):
                findings.append(("unreadable", str(error)))
    return _Read(example.id, example.image_id, digest, len(example.targets), findings)


def _odd_texts(example: Example) -> list[Finding]:
    texts = (*example.references, example.question, example.answer)
    found = []
    if any(not text.strip() for text in example.targets):
        found.append(("empty text", "a text to train on is empty"))
    if any("\0" in text for text in texts):
        found.append(("NUL in text", "a text holds a NUL character"))
    if any("\ufffd" in text for text in texts):
        found.append(("text not UTF-8", "a text holds bytes that are no UTF-8"))
    longest = max(map(len, texts))
    if longest > LONG_TEXT:
        found.append(("long text", f"{longest:,} characters"))
    return found


def _odd_image(data: bytes, name: str) -> list[Finding]:
    """What the header of an image file says; nothing where it cannot be read."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            width, height, mode, kind = *image.size, image.mode, image.format or ""
            frames, turned = getattr(image, "n_frames", 1), image.getexif().get(Base.Orientation, 1)
    except Exception:  # `decode` says why
        return []
    found = []
    if width * height > LARGE_PIXELS or max(width, height) > LARGE_SIDE:
        found.append(("large image", f"{width} × {height} pixels"))
    if mode == "CMYK":
        found.append(("CMYK image", mode))
    if mode.startswith("I") or mode == "F":
        found.append(("more than 8 bits", f"mode {mode}"))
    if turned != 1:
        found.append(("rotated by EXIF", f"orientation {turned}"))
    if frames > 1 and kind != "MPO":  # some cameras' JPEGs, with a preview
        found.append(("animated or many pages", f"{frames} frames"))
    suffix = name.rpartition(".")[2].upper()
    if FORMATS.get(suffix, suffix) != FORMATS.get(kind, kind):
        found.append(("wrong suffix", f"is {kind}"))
    return found
