"""Checks a whole data source: lists unusable examples and unusual ones."""

from __future__ import annotations

import hashlib
import io
import re
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
"""Kinds of finding that make an example unusable."""
LARGE_PIXELS, LARGE_SIDE = 50_000_000, 10_000
"""Limits (pixels, and pixels of one side) above which an image is reported: it is worth downscaling on disk."""
LONG_TEXT = 1000
"""Characters above which a text is reported: it is hardly a caption."""
SPECIAL_TOKEN = (
    r"</?s>|<(?:pad|unk|bos|eos|mask|start_of_turn|end_of_turn)>|<\|\w+\|>|\[(?:/?INST|CLS|SEP|PAD|MASK)\]"
)
"""Pattern of the special tokens of common language models. A text that spells one is read letter by letter."""
FORMATS = {"JPG": "JPEG", "TIF": "TIFF", "JFIF": "JPEG", "MPO": "JPEG"}
"""File suffixes and formats that mean the same: alias → the format that Pillow names."""

Finding = tuple[str, str]
"""(kind, line that names the example and the problem)."""


@dataclass
class Report:
    """Result of a check."""

    examples: int
    images: int = 0
    texts: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)
    """Kind → lines that name the example and the problem."""
    index: dict[str, int] = field(default_factory=dict)
    """Oddities noted when tars were indexed: kind → count."""

    @property
    def bad(self) -> int:
        """Number of images and texts that cannot be used."""
        return sum(len(self.found.get(kind, ())) for kind in BAD)

    def as_json(self) -> dict[str, Any]:
        """Returns the report as plain JSON values."""
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
class _Checked:
    """What reading one example found."""

    id: str
    image_id: str
    digest: bytes | None
    """Hash of the image content; None if it is unreadable or was hashed for another example."""
    texts: int
    findings: list[Finding]


def check(
    source: Source,
    report: Callable[[int, int], None] = lambda done, total: None,
    special_token: str = SPECIAL_TOKEN,
) -> Report:
    """Reads every example, and decodes every image once at full size.

    Args:
        source: data set to check.
        report: progress callback, called with the numbers (done, total) of examples.
        special_token: regular expression of the special tokens that texts should not spell.
    """
    result = Report(len(source))
    if isinstance(source, Shards):
        for shard in source.shards:
            for oddity, count in shard.notes.items():
                result.index[oddity] = result.index.get(oddity, 0) + count
    ids: set[str] = set()
    images: dict[str, int] = {}
    contents: dict[bytes, tuple[str, str]] = {}
    for number, example in enumerate(
        in_order(partial(_check_example, source, images, re.compile(special_token)), range(len(source)))
    ):
        findings = list(example.findings)
        if example.id in ids:
            findings.append(("repeated id", example.id))
        if example.digest:
            first_id, image_id = contents.setdefault(example.digest, (example.id, example.image_id))
            if image_id != example.image_id:
                findings.append(("same image", f"{example.id}: as {first_id}"))
        ids.add(example.id)
        result.texts += example.texts
        for kind, line in findings:
            result.found.setdefault(kind, []).append(line)
        report(number + 1, len(source))
    result.images = len(images)
    return result


def _check_example(
    source: Source, images: dict[str, int], special_token: re.Pattern[str], number: int
) -> _Checked:
    try:
        example = source[number]
    except UnreadableImage as error:  # the whole row is invalid
        return _Checked(f"#{number}", "", None, 0, [("unreadable", f"#{number}: {error}")])
    name = example.image.name
    findings = [(kind, f"{example.id}: {problem}") for kind, problem in _odd_texts(example, special_token)]
    digest = None
    if (
        images.setdefault(example.image.key, number) == number
    ):  # True in one thread only: setdefault is atomic
        try:
            data = original(example.image)
            if data is None:
                picture = example.image.read()
                digest = example.image.digest.encode()
            else:
                findings += [(kind, f"{name}: {problem}") for kind, problem in _odd_image(data, name)]
                digest = hashlib.sha256(data).digest()
                picture = decode(data, name)
            if colour := _only_colour(picture):
                findings.append(("single colour", f"{name}: {colour} everywhere"))
        except UnreadableImage as error:
            # In a tar, a sample without a text also has an unreadable image: report it once.
            if not (isinstance(example.image, TarImage) and example.image.flaw and findings):
                findings.append(("unreadable", str(error)))
    return _Checked(example.id, example.image_id, digest, len(example.targets), findings)


def _only_colour(picture: PIL.Image.Image) -> str:
    """Returns the colour of an image with no other, such as "#000000"; an empty string if it has several."""
    extrema: Any = picture.convert("RGB").getextrema()
    if any(low != high for low, high in extrema):
        return ""
    return "#" + "".join(f"{low:02x}" for low, _ in extrema)


def _odd_texts(example: Example, special_token: re.Pattern[str]) -> list[Finding]:
    texts = (*example.references, example.question, example.answer)
    findings = []
    if any(not text.strip() for text in example.targets):
        findings.append(("empty text", "a text to train on is empty"))
    if any("\0" in text for text in texts):
        findings.append(("NUL in text", "a text holds a NUL character"))
    if any("\ufffd" in text for text in texts):
        findings.append(("text not UTF-8", "a text holds bytes that are not UTF-8"))
    if spelled := next(filter(None, map(special_token.search, texts)), None):
        findings.append(("special token in text", f"a text spells {spelled[0]!r}, which is read as letters"))
    longest = max(map(len, texts))
    if longest > LONG_TEXT:
        findings.append(("long text", f"{longest:,} characters"))
    return findings


def _odd_image(data: bytes, name: str) -> list[Finding]:
    """Returns findings from the header of an image file; an empty list if it cannot be read."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            width, height, mode, kind = *image.size, image.mode, image.format or ""
            frames, turned = getattr(image, "n_frames", 1), image.getexif().get(Base.Orientation, 1)
    except Exception:  # `decode` reports why
        return []
    findings = []
    if width * height > LARGE_PIXELS or max(width, height) > LARGE_SIDE:
        findings.append(("large image", f"{width} × {height} pixels"))
    if mode == "CMYK":
        findings.append(("CMYK image", mode))
    if mode.startswith("I") or mode == "F":
        findings.append(("more than 8 bits", f"mode {mode}"))
    if turned != 1:
        findings.append(("rotated by EXIF", f"orientation {turned}"))
    if frames > 1 and kind != "MPO":  # MPO: JPEGs of some cameras, with a preview as second frame
        findings.append(("animated or many pages", f"{frames} frames"))
    suffix = name.rpartition(".")[2].upper()
    if FORMATS.get(suffix, suffix) != FORMATS.get(kind, kind):
        findings.append(("wrong suffix", f"is {kind}"))
    return findings
