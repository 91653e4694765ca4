"""Captions in a JSON list of images, such as those of BLIP, LAVIS and AI Challenger, or `metadata.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.caption_rows import (
    CAPTION_FIELDS,
    IDS,
    IMAGE_FIELDS,
    addresses,
    caption_fields,
    caption_rows,
    field_of,
    image_fields,
    names_image,
)
from frozenvl.data.sources.captions import Captioned, Captions
from frozenvl.util.errors import UserError

OTHER_TEXTS = (
    "question",
    "question_id",
    "answer",
    "answers",
    "conversations",
    "messages",
    "instruction",
    "references",
)
"""Fields of records whose texts are no captions: questions, conversations, instructions, predictions."""


class JsonCaptions(Captions):
    """Captions in a JSON list or JSON Lines: an object for each image, or for each caption, with the image file and a
    text or a list of texts. An object of image file and captions, `{"a.jpg": "a dog"}`, is read as well.

    BLIP and LAVIS publish such lists (`coco_karpathy_train.json`, `flickr30k_test.json`, `nocaps_val.json`), AI
    Challenger does, and Hugging Face's `metadata.jsonl` is one. All rows of an image are one example. Its `id` is
    `image_id` or `img_id`, or `id` if each image has one of its own; for COCO's files without one, or with
    `coco_522418`, COCO's number; else the image file.
    `domain` is a label, by which scores are broken down. A list without texts has images without captions.

    Args:
        annotations: JSON file.
        images: folder that the image files are relative to.
        caption: field of the captions; by default the one that records have of caption, captions, text, description
            and descriptions.
        image_name: pattern of the image files, such as "{img}" or "{image_id}.jpg"; by default the one field that
            records have of image, file_name, filename, image_path, image_file, img_path, filepath and file.
        records: key of the list, if the file holds an object.
        skip_uncaptioned: leave out records whose caption is missing, null or empty, and count them.

    Raises:
        UserError: if a file or the folder is missing, the fields are not clear, an image is an address, or a caption is
            missing or empty (unless they are skipped).
    """

    layout = "a JSON list of images with captions"

    def __init__(
        self,
        annotations: str,
        images: str,
        caption: str | None = None,
        image_name: str | None = None,
        records: str | None = None,
        skip_uncaptioned: bool = False,
    ) -> None:
        super().__init__(
            annotations, images, caption=caption, pattern=image_name, key=records, skip=skip_uncaptioned
        )

    @classmethod
    def recognises(cls, content: Any) -> bool:
        rows = _as_list(content)
        first = rows[0] if isinstance(rows, list) and rows else None
        if not isinstance(first, dict) or any(field in first for field in OTHER_TEXTS):
            return False
        return bool(image_fields(first) and caption_fields(first))

    @classmethod
    def read(
        cls,
        file: RecordFile,
        caption: str | None = None,
        pattern: str | None = None,
        key: str | None = None,
        skip: bool = False,
    ) -> Iterator[Captioned]:
        """Yields the images of a file."""
        if key is None:
            if isinstance(file.content, dict) and isinstance(_as_list(file.content), list):
                file.find_repeated_keys()
            file.content = _as_list(file.content)
            if isinstance(file.content, dict):
                keys = ", ".join(map(repr, [*file.content][:5]))
                raise file.refused(
                    f"it is an object with {keys or 'no keys'}; records gives the key of its list"
                )
        rows = file.records(key)
        if (first := next(rows, None)) is None:
            return
        pattern = pattern or _pattern(file, first.data)
        caption = caption or _caption(file, first.data, pattern)
        rows = chain([first], rows)
        if "split" in first.data:
            file.notes["records, whose 'split' is not read"] = len(
                file.content if key is None else file.content[key]
            )
        yield from caption_rows(
            file, _captioned(file, rows, caption) if skip and caption else rows, pattern, caption
        )


def _captioned(file: RecordFile, rows: Iterable[Record], field: str) -> Iterator[Record]:
    """Yields the rows with a caption, and counts the others."""
    for row in rows:
        value = row.raw(field)
        if value in (None, []) or (isinstance(value, str) and not value.strip()):
            file.notes["records without a caption left out"] += 1
        else:
            yield row


def _as_list(content: Any) -> Any:
    """Returns an object of image file and captions as a list, and other content as it is."""
    if isinstance(content, dict) and content and all(map(names_image, content)):
        return [{"image": name, "caption": captions} for name, captions in content.items()]
    return content


def _pattern(file: RecordFile, row: dict[str, Any]) -> str:
    """Returns the pattern of the image files, by the fields of a row."""
    fields = image_fields(row)
    if len(fields) > 1 and file.named:
        raise _several(file, fields, "image_name", f"{{{fields[0]}}}")
    if not fields and any("base64" in field for field in row):
        raise UserError(f"{file.path}: its images are inside the file, as base64; write them to files first")
    if not fields and any("url" in field.lower() for field in row):
        raise addresses(file)
    if not fields:
        raise file.refused(f"no image file in {', '.join(IMAGE_FIELDS)}; image_name can give the field")
    return f"{{{fields[0]}}}"


def _caption(file: RecordFile, row: dict[str, Any], pattern: str) -> str | None:
    """Returns the field of the captions, by the fields of a row; None if it has no texts."""
    fields = caption_fields(row)
    if others := [field for field in OTHER_TEXTS if field in row]:
        raise file.refused(f"with {others[0]!r}, texts may be no captions; caption can give the field")
    if len(fields) > 1:
        raise _several(file, fields, "caption", fields[0])
    known = {field_of(pattern), *IDS, "id", "domain"}
    if not fields and any(isinstance(row[name], str | list | dict) for name in row.keys() - known):
        raise file.refused(f"no captions in {', '.join(CAPTION_FIELDS)}; caption can give the field")
    if not fields:  # a list without captions, unless only this row lacks one
        rows = file.content if isinstance(file.content, list) else []
        fields = next((found for row in rows if isinstance(row, dict) and (found := caption_fields(row))), [])
    return fields[0] if fields else None


def _several(file: RecordFile, fields: list[str], option: str, example: str) -> UserError:
    return UserError(
        f"{file.path}: records have {' and '.join(fields)}; choose with {option}, such as {example}"
    )
