"""Winoground: two images and two captions of the same words in another order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.pairs import Pair, Pairs


class WinogroundPairs(Pairs):
    """Winoground's captions, read from the published `examples.jsonl`.

    Each item gives two examples, `ID/0` and `ID/1`: an image whose foil is the caption of the other image. The label
    `category` is `collapsed_tag` (Object, Relation, Both).

    Args:
        annotations: JSON Lines with id, image_0, image_1, caption_0, caption_1 and collapsed_tag.
        images: folder of the images (`images.zip`), named like `ex_0_img_0.png`.

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "Winoground's JSON Lines"

    def __init__(self, annotations: str, images: str) -> None:
        super().__init__(annotations, images)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "image_0", "image_1", "caption_0", "caption_1")

    @classmethod
    def read(cls, file: RecordFile) -> Iterator[Pair]:
        """Yields the examples of a file, two for each item."""
        for row in file.records():
            key, captions = row.id("id"), [row.text(f"caption_{n}") for n in (0, 1)]
            tag = row.labels("collapsed_tag")
            for number, caption in enumerate(captions):
                yield Pair(
                    id=f"{key}/{number}",
                    file=f"{row.file(f'image_{number}')}.png",
                    caption=caption,
                    foils=(captions[1 - number],),
                    kind={"category": tag["collapsed_tag"]} if tag else {},
                )
