"""MiniGPT-4's detailed captions, on which its second stage is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.caption_rows import caption_rows
from frozenvl.data.sources.captions import Captioned, Captions


class MiniGPT4Captions(Captions):
    """Detailed captions of MiniGPT-4 (`filter_cap.json` of its `cc_sbu_align`, github.com/Vision-CAIR/MiniGPT-4).

    Args:
        annotations: JSON file with `annotations`, a list with image_id and caption.
        images: folder of the image files, `<image_id>.jpg`.

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, or a caption is missing or empty.
    """

    layout = "MiniGPT-4's filter_cap.json"

    def __init__(self, annotations: str, images: str) -> None:
        super().__init__(annotations, images)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        if not isinstance(content, dict) or content.keys() != {"annotations"}:
            return False
        rows = content["annotations"]
        return has_fields(rows, "image_id", "caption") and isinstance(rows[0]["image_id"], str)

    @classmethod
    def read(cls, file: RecordFile) -> Iterator[Captioned]:
        """Yields the images of a file."""
        if isinstance(file.content, dict) and (others := [*file.content.keys() - {"annotations"}]):
            raise file.refused(f"it also has {min(others)!r}")
        return caption_rows(file, file.records("annotations"), "{image_id}.jpg", "caption")
