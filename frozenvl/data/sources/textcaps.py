"""TextCaps: captions of images that show text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.caption_rows import caption_rows
from frozenvl.data.sources.captions import Captioned, Captions


class TextCaps(Captions):
    """TextCaps captions (`TextCaps_0.1_train.json`, textvqa.org/textcaps), with one example per image.

    The test set has images without captions: they can be captioned, but not trained on.

    Args:
        annotations: JSON file with `data`, a list with image_id and, for each caption, caption_str.
        images: folder of the image files, `<image_id>.jpg`.

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, or a caption is missing or empty.
    """

    layout = "TextCaps's JSON"

    def __init__(self, annotations: str, images: str) -> None:
        super().__init__(annotations, images)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        if not isinstance(content, dict) or not has_fields(content.get("data"), "image_id"):
            return False
        return content.get("dataset_name") == "textcaps" or "caption_str" in content["data"][0]

    @classmethod
    def read(cls, file: RecordFile) -> Iterator[Captioned]:
        """Yields the images of a file."""
        rows = [*file.records("data")]
        captioned = any("caption_str" in row.data for row in rows) or not cls.recognises(file.content)
        return caption_rows(file, rows, "{image_id}.jpg", "caption_str" if captioned else None)
