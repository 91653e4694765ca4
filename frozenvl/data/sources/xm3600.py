"""Crossmodal-3600: captions of 3,600 images in 36 languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import described, has_fields
from frozenvl.data.sources.captions import Captioned, Captions
from frozenvl.util.errors import UserError


class XM3600(Captions):
    """Crossmodal-3600's captions in one language (`captions.jsonl`, google.github.io/crossmodal-3600).

    Images without captions in the language are left out, and counted.

    Args:
        annotations: JSON Lines file with `image/key` and, under the name of each language, `caption`, a list of texts.
        images: folder of the image files, `<image/key>.jpg`.
        locale: name of the language in the file: `en`, `de`, `zh`, …

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, no image has captions in the
            language, or a caption is empty.
    """

    layout = "Crossmodal-3600's captions.jsonl"

    def __init__(self, annotations: str, images: str, locale: str = "en") -> None:
        super().__init__(annotations, images, locale=locale)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "image/key") and any(
            "caption" in own for own in _languages(content[0]).values()
        )

    @classmethod
    def read(cls, file: RecordFile, locale: str = "en") -> Iterator[Captioned]:
        """Yields the images of a file."""
        known: dict[str, None] = {}
        images = 0
        for row in file.records():
            key, own = row.id("image/key"), row.raw(locale)
            known |= dict.fromkeys(_languages(row.data))
            if locale not in row.data:
                file.notes[f"images without captions in {locale!r} left out"] += 1
            elif not isinstance(own, dict):
                row.problem(f"{locale!r} is {described(own)}, not an object with captions")
            else:
                captions = Record(file, own, f"{locale}", f"{row.name}, {locale!r}", None).texts("caption")
                images += 1
                yield Captioned(key, f"{key}.jpg", captions)
        if known and not images:
            file.check()
            raise UserError(f"{file.path}: no captions in {locale!r}; choose a locale of {', '.join(known)}")


def _languages(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: own for name, own in row.items() if isinstance(own, dict)}
