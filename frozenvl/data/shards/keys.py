"""Names by which the image and the text of a tar's sample are found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from frozenvl.util.errors import UserError
from frozenvl.video.suffixes import VIDEO_SUFFIXES

IMAGE_SUFFIXES = (
    *("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "jfif", "jpe", "apng", "avif"),
    *("jp2", "j2k", "jpc", "jpf", "jpx", "j2c", "pbm", "pgm", "pnm", "pfm"),
)
"""Suffixes of the image formats that are decoded."""
VIDEO_KEY = ";".join((*VIDEO_SUFFIXES, "video"))
"""Default names of the member with a video."""
IMAGE_KEY = ";".join((*IMAGE_SUFFIXES, "image", "img"))
"""Default names of the image member."""
TEXT_KEY = "txt;caption;text;captions"
"""Default names of the text."""


@dataclass(frozen=True)
class Keys:
    """Names of the image and of the text, the preferred ones first. An index is valid for the names it was made with.

    An image name `image` stands for the member `.image`, or `.image.jpg` with any suffix of an image format. A text
    name `caption` stands for the member `.caption`, `.caption.txt` or `.caption.json`, or for the value `caption` in
    the member `.json`.
    """

    image: tuple[str, ...]
    text: tuple[str, ...]

    @cached_property
    def image_ranks(self) -> dict[str, int]:
        """Suffix of an image member → rank; the lowest is preferred."""
        ranks: dict[str, int] = {}
        for name in map(str.lower, self.image):
            ranks.setdefault(name, len(ranks))
            if name.rpartition(".")[2] not in IMAGE_SUFFIXES:
                for suffix in IMAGE_SUFFIXES:
                    ranks.setdefault(f"{name}.{suffix}", len(ranks))
        return ranks

    @cached_property
    def text_members(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each text name with the suffixes of its members, in order of preference."""
        members = []
        for name in self.text:
            suffix = name.lower()
            whole = suffix.rpartition(".")[2] in ("txt", "json")
            members.append((name, (suffix,) if whole else (suffix, f"{suffix}.txt", f"{suffix}.json")))
        return tuple(members)

    def __str__(self) -> str:
        return f'image_key "{";".join(self.image)}" and text_key "{";".join(self.text)}"'


def parse_keys(image_key: str = IMAGE_KEY, text_key: str = TEXT_KEY) -> Keys:
    """Parses names that are separated by semicolons, as the webdataset library writes them. A leading dot is dropped.

    Raises:
        UserError: if an argument holds no name.
    """
    parsed = []
    for argument, value in (("image_key", image_key), ("text_key", text_key)):
        names = tuple(name.strip().removeprefix(".") for name in value.split(";"))
        if not all(names):
            raise UserError(f"{argument}: {value!r} holds an empty name; separate names with one semicolon")
        parsed.append(names)
    return Keys(*parsed)
