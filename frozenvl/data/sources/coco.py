"""COCO captions, and other data sets in the same layout (Flickr8k, Flickr30k, nocaps, VizWiz, STAIR)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.ids import Ids
from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.streamed import is_object
from frozenvl.data.records.values import as_id, one_line
from frozenvl.data.shards.record import RECORD, from_record
from frozenvl.data.sources.captions import Captioned, Captions
from frozenvl.prompt import BlackImage

LEFT_OUT = {
    "is_precanned": "canned captions left out",
    "is_rejected": "rejected captions left out",
}
"""Labels of VizWiz's captions that its evaluation leaves out → the note that counts them."""


class CocoCaptions(Captions):
    """Captions in COCO's layout (`captions_*.json` and an image folder): one example per image, with all its captions.

    Captions that VizWiz marks as rejected or canned are left out, and so are images that have no others. nocaps' domain
    is a label, by which scores are broken down. A file without `annotations`, such as nocaps' test set, has images
    without captions: they can be captioned, but not trained on. Images with a record of an example, as `frozenvl data
    convert` writes it, are that example, such as a question.

    Args:
        annotations: JSON file with `images` (id, file_name) and `annotations` (image_id, caption).
        images: folder of the image files.
        skip_uncaptioned: leave out images without captions, and count them.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, an image has no caption (unless they
            are skipped) or a caption is empty.
    """

    layout, streams = "COCO captions JSON", True

    def __init__(self, annotations: str, images: str, skip_uncaptioned: bool = False) -> None:
        super().__init__(annotations, images, skip_uncaptioned=skip_uncaptioned)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            return False
        rows = content.get("annotations", content["images"])
        wanted = "caption" if "annotations" in content else "file_name"
        return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict) and wanted in rows[0]

    @classmethod
    def read(cls, file: RecordFile, skip_uncaptioned: bool = False) -> Iterator[Captioned]:
        """Yields the images of a file."""
        images: dict[str, tuple[str, dict[str, str]]] = {}
        records: dict[str, Captioned] = {}
        withheld = is_object(file.content) and "annotations" not in file.content
        if file.named or "images" in file.content:
            for image in file.records("images"):
                key, name = image.id("id"), image.file("file_name")
                if key in images:
                    image.problem(f"image {key} stands twice among 'images'")
                images[key] = (name, image.labels("domain"))
                if RECORD in image.data:
                    records[key] = _recorded(image, key, name)
        else:  # references that are scored only
            images = {as_id(row.raw("image_id")) or "": ("", {}) for row in file.records("annotations")}
        if file.named and images and not any(name for name, _ in images.values()):
            raise file.refused(
                "no record of 'images' has 'file_name': references to score with, not a data set"
            )
        captions: dict[str, list[str]] = {key: [] for key in images}
        ids = Ids((key, name) for key, (name, _) in images.items())
        if withheld:
            file.notes["images without captions, because the file has no 'annotations'"] = len(images)
        bare, refused = (set(), set()) if withheld else _captions(file, captions, ids)
        for key, (name, kind) in images.items():
            if key in records:
                texts = [line for line in map(one_line, records[key].captions) if line]
                if captions[key] and captions[key] != texts:
                    file.problem(
                        f"image {key} ({name}) has other captions than its {RECORD!r}; remove one of them"
                    )
                yield records[key]
                continue
            if not captions[key] and key in refused:
                continue
            if not captions[key] and key in bare:
                file.notes["images left out, whose captions all are"] += 1
            elif not captions[key] and not withheld and skip_uncaptioned:
                file.notes["images without captions left out"] += 1
            else:
                if not captions[key] and not withheld:
                    file.problem(
                        f"image {key} ({name}) has no caption; skip_uncaptioned leaves such images out"
                    )
                yield Captioned(key, name, tuple(captions[key]), kind)


def _recorded(image: Record, key: str, name: str) -> Captioned:
    """Returns an image with the record of its example."""
    record = image.raw(RECORD)
    try:
        targets = from_record(record, BlackImage()).targets
    except ValueError as error:
        image.problem(f"{RECORD!r} is {error}")
        return Captioned(key, name, ())
    return Captioned(key, name, targets, dict(record["kind"]), record)


def _captions(file: RecordFile, captions: dict[str, list[str]], ids: Ids) -> tuple[set[str], set[str]]:
    """Adds the captions of a file to those of their images.

    Returns:
        The images of which a caption is left out, and those of which one cannot be used.
    """
    records = file.records("annotations")
    numbered, bare, refused = _Numbered(file), set[str](), set[str]()
    for row in records:
        texts = row.texts("caption")
        image = row.id("image_id")
        found = ids.find(image) if image else None
        if image and found is None:
            row.problem(f"is for image {image}, which is not among 'images'")
        if not row.ok or found is None:
            refused.add(found or "")
            continue
        if not LEFT_OUT.keys().isdisjoint(row.data):
            reasons = [note for label, note in LEFT_OUT.items() if row.raw(label) == True]  # noqa: E712 - 1 as well, but not "false"
            if reasons:
                file.notes[reasons[-1]] += 1
                bare.add(found)
                continue
        numbered.check(row, found, texts)
        captions[found].extend(texts)
    return bare, refused


class _Numbered:
    """Finds captions that are annotated twice: the same image and the same id.

    Args:
        file: annotation file. If all its ids differ, nothing has to be remembered.
    """

    def __init__(self, file: RecordFile) -> None:
        count, numbers = 0, set[str | None]()
        for row in filter(is_object, file.content["annotations"]):
            count += 1
            numbers.add(as_id(row.get("id")))
        self._repeats = len(numbers) < count
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}

    def check(self, row: Record, image: str, texts: tuple[str, ...]) -> None:
        """Notes a problem if the caption's id has been seen for this image."""
        number = as_id(row.raw("id")) if self._repeats else None
        if number is None:
            return
        before = self._known.setdefault((image, number), texts)
        if before is not texts:
            same = "again" if before == texts else "with another text"
            row.problem(f"image {image} has caption {number} {same}")
