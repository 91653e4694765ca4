"""Checks a whole data source: lists unusable examples and unusual ones."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import PIL.Image
from PIL.ExifTags import Base

from frozenvl.data.shards.contents import in_order, original
from frozenvl.data.shards.notes import Notes
from frozenvl.data.sources.shards import Shards, TarImage
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.table import BadRow
from frozenvl.prompt import Example, Image, ImageSequence
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import decode
from frozenvl.video import Video
from frozenvl.video.clip import VideoFile

BAD = ("unreadable", "empty text", "wrong number of texts")
"""Kinds of finding that make an example unusable."""
LARGE_PIXELS, LARGE_SIDE = 50_000_000, 10_000
"""Limits (pixels, and pixels of one side) above which an image is reported: it is worth downscaling on disk."""
LONG_TEXT = 1000
"""Characters above which a text is reported: it is hardly a caption."""
ODD_TEXTS = {
    "placeholder as text": re.compile(r"\s*(?:none|nan|null|n/?a|nil|undefined|#n/a)\s*", re.I),
    "text without letters": re.compile(r"[^\w\U0001f000-\U0001faff\u2600-\u27bf]*"),
}
"""Kind of finding → pattern that a whole text matches: what a missing caption has become, or nothing to read."""
ODD_MARKS = {
    "HTML in text": re.compile(r"&(?:\w{2,6}|#\d+);|</?(?:p|br|b|i|em|strong|div|span|a)\b[^<>]*>", re.I),
    "text decoded twice": re.compile("\u00c3[\u0080-\u00bf]|\u00e2\u20ac|\u00c2[\u00a0-\u00bf]"),
}
"""Kind of finding → pattern that part of a text matches."""
SPECIAL_TOKEN = (
    r"</?s>|<(?:pad|unk|bos|eos|mask|start_of_turn|end_of_turn)>|<\|\w+\|>|\[(?:/?INST|CLS|SEP|PAD|MASK)\]"
)
"""Pattern of the special tokens of common language models. A text that spells one is read letter by letter."""
SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}
"""Formats that share a file suffix: name of one → name of the other, as Pillow names them."""

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
    notes: dict[str, int] = field(default_factory=dict)
    """What the source leaves out or treats in a special way: note → count."""
    usable: int = 0
    """Number of examples whose image and texts can be used."""
    index: Notes = field(default_factory=Notes)
    """Oddities noted when tars were indexed."""

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
            "usable": self.usable,
            "counts": counts,
            "notes": self.notes,
            "index": self.index.counts,
            "index_names": self.index.names,
            "found": self.found,
        }


@dataclass(frozen=True)
class _Checked:
    """What reading one example found."""

    id: str
    image_id: str
    images: tuple[str, ...]
    """Keys of the images; one empty key if the whole row is invalid."""
    digest: bytes | None
    """Hash of the content of the first image; None if it is unreadable or was hashed for another example."""
    texts: int
    findings: list[Finding]
    captions: tuple[int, ...] = ()
    """Hashes of the image with each caption; empty for questions."""
    unreadable: tuple[str, ...] = ()
    """Keys of the images that were found to be unreadable."""


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
    result = Report(len(source), notes={} if isinstance(source, Shards) else dict(source.notes))
    if isinstance(source, Shards):
        for shard in source.shards:
            result.index.merge(shard.notes, shard.names)
    ids: set[str] = set()
    captions: set[int] = set()
    images: dict[str, int] = {}
    contents: dict[bytes, tuple[str, str]] = {}
    # Keys of images → number of examples whose texts can be used.
    usable: Counter[tuple[str, ...]] = Counter()
    unreadable = {""}
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
        for caption in example.captions:
            if caption in captions:
                findings.append(("repeated caption", f"{example.id}: its image has the same caption twice"))
            captions.add(caption)
        kinds = {kind for kind, _ in findings}
        unreadable.update(example.unreadable)
        usable[example.images] += kinds.isdisjoint(BAD)
        result.texts += example.texts
        for kind, line in findings:
            result.found.setdefault(kind, []).append(line)
        report(number + 1, len(source))
    result.images = len(images)
    result.usable = sum(count for images, count in usable.items() if unreadable.isdisjoint(images))
    return result


def _check_example(
    source: Source, images: dict[str, int], special_token: re.Pattern[str], number: int
) -> _Checked:
    try:
        example = source[number]
    except UnreadableImage as error:  # the whole row is invalid
        return _Checked(f"#{number}", "", ("",), None, 0, [("unreadable", f"#{number}: {error}")])
    if isinstance(example.image, BadRow):  # counted once, not as an image and a text
        row = example.image
        return _Checked(example.id, row.name, ("",), None, 0, [("unreadable", f"{row.name}: {row.problem}")])
    odd = _odd_texts(example, special_token)
    if isinstance(source, Shards) and (lines := source.lines_joined(number)) > 1:
        line = f"{lines} lines, read as one caption (lines: captions makes each a caption)"
        odd.append(("several lines in a text", line))
    findings = [(kind, f"{example.id}: {problem}") for kind, problem in odd]
    told = source.targets_per_example
    count = told if isinstance(told, int) else int(told[number])
    if count != len(example.targets):
        line = f"{example.id}: {len(example.targets)} texts, but targets_per_example says {count}"
        findings.append(("wrong number of texts", line))
    digest, unreadable = None, []
    for place, image in enumerate(example.images):
        if images.setdefault(image.key, number) != number:  # equal in one thread only: setdefault is atomic
            continue
        content, odd_image, unread = _check_image(image)
        findings += odd_image
        if unread:
            unreadable.append(image.key)
            # In a tar, a sample without a text also has an unreadable image: report it once.
            no_text = any(kind == "empty text" for kind, _ in odd)
            member = image.origin
            if not (no_text and isinstance(member, TarImage) and member.flaw):
                findings.append(("unreadable", unread))
        elif not place:
            digest = content
    keys = tuple(image.key for image in example.images)
    texts = [] if example.question else [text for text in example.references if text]
    # A caption may have several foils.
    captions = tuple(hash((keys, text, example.choices)) for text in texts)
    learned = len(example.turns) or len(example.targets)
    return _Checked(
        example.id, example.image_id, keys, digest, learned, findings, captions, tuple(unreadable)
    )


def _check_image(image: Image) -> tuple[bytes, list[Finding], str]:
    """Decodes an image. Returns the hash of its content, findings, and why it is unreadable (empty if it is not)."""
    findings: list[Finding] = []
    try:
        data = None if isinstance(image, ImageSequence) else original(image)
        if isinstance(image, ImageSequence):
            findings += [(kind, f"{image.name}: {problem}") for kind, problem in odd_video(image)]
        if data is None:
            picture = image.read()
            digest = image.digest.encode()
        else:
            findings += [(kind, f"{image.name}: {problem}") for kind, problem in _odd_image(data, image.name)]
            digest = hashlib.sha256(data).digest()
            picture = decode(data, image.name)
        if colour := _only_colour(picture):
            findings.append(("single colour", f"{image.name}: {colour} everywhere"))
        return digest, findings, ""
    except UnreadableImage as error:
        return b"", findings, str(error)


def _only_colour(picture: PIL.Image.Image) -> str:
    """Returns the colour of an image with no other, such as "#000000"; an empty string if it has several."""
    extrema: Any = picture.convert("RGB").getextrema()
    if any(low != high for low, high in extrema):
        return ""
    return "#" + "".join(f"{low:02x}" for low, _ in extrema)


def odd_video(video: ImageSequence) -> list[Finding]:
    """Returns findings about the clip of a video: frames that are shown twice, a variable rate, a display matrix.

    Raises:
        UnreadableImage: if the clip cannot be opened.
    """
    findings: list[Finding] = []
    frames = len({frame.key for frame in video.frames})
    if frames < len(video.frames):
        findings.append(("short clip", f"{len(video.frames)} frames are sampled, of {frames} different ones"))
    if not (isinstance(video, Video) and isinstance(video.clip, VideoFile)):
        return findings
    times = video.clip.times
    gaps = [later - earlier for earlier, later in pairwise(times.ticks)]
    if gaps and max(gaps) > 2 * min(gaps):
        longest = float(max(gaps) * times.tick)
        findings.append(("variable frame rate", f"from one frame to the next up to {longest:.2f} s"))
    if turned := video.clip.rotation():
        findings.append(("turned by its display matrix", f"{turned} degrees"))
    return findings


def _odd_texts(example: Example, special_token: re.Pattern[str]) -> list[Finding]:
    texts = example.texts
    learned = tuple(turn.reply for turn in example.turns) or example.targets
    findings = []
    open_end = bool(example.turns) and not example.targets  # the last reply of a test set is empty
    if any(not text.strip() for text in (learned[:-1] if open_end else learned)):
        flaw = member.flaw if isinstance(member := example.image.origin, TarImage) else ""
        findings.append(("empty text", flaw or "a text to train on is empty"))
    if any("\0" in text for text in texts):
        findings.append(("NUL in text", "a text holds a NUL character"))
    if any("\ufffd" in text for text in texts):
        findings.append(("text not UTF-8", "a text holds bytes that are not UTF-8"))
    if spelled := next(filter(None, map(special_token.search, texts)), None):
        findings.append(("special token in text", f"a text spells {spelled[0]!r}, which is read as letters"))
    for kind, pattern in ODD_TEXTS.items():
        if odd := next((text for text in learned if text.strip() and pattern.fullmatch(text)), None):
            findings.append((kind, f"a text to train on is {odd[:40]!r}"))
    for kind, pattern in ODD_MARKS.items():
        if mark := next(filter(None, map(pattern.search, texts)), None):
            findings.append((kind, f"a text holds {mark[0][:40]!r}"))
    longest = max(map(len, texts), default=0)
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
    named = PIL.Image.registered_extensions().get(PurePath(name).suffix.lower())  # None: it names no format
    if named and SAME_FORMAT.get(named, named) != SAME_FORMAT.get(kind, kind):
        findings.append(("wrong suffix", f"is {kind}"))
    return findings
