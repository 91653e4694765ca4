"""Rows of a list with an image and its captions: their fields, image files and ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from string import Formatter
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import as_id
from frozenvl.data.sources.captions import Captioned, by_image
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.sources.folder import ENDINGS
from frozenvl.data.sources.questions import image_name
from frozenvl.util.errors import UserError

IMAGE_FIELDS = ("image", "file_name", "filename", "image_path", "image_file", "img_path", "filepath", "file")
CAPTION_FIELDS = ("caption", "captions", "text", "description", "descriptions")
IDS = ("image_id", "img_id")


def caption_rows(
    file: RecordFile, rows: Iterable[Record], pattern: str, caption: str | None
) -> Iterator[Captioned]:
    """Yields the images of a list, each with the captions of all its rows. `domain` is a label.

    The id of an image is `image_id` or `img_id`. It is COCO's number for COCO's files without one, or with
    `coco_522418`, and the image file for other images without one.

    Args:
        file: file that holds the list.
        rows: rows of the list.
        pattern: pattern of the image files, with one field of the rows: `{image}`, `{image_id}.jpg`.
        caption: field of the captions; None for a list without captions.

    Raises:
        UserError: if the pattern has not one field, or an image is an address.
    """
    field = field_of(pattern)
    rows = list(rows)
    id_field = _id_field(rows, field)
    ids: dict[str, str] = {}

    def captioned() -> Iterator[Captioned]:
        for row in rows:
            name = image_name(pattern, row, field)
            if file.named and "://" in name:
                raise addresses(file)
            texts = row.texts(caption) if caption else ()
            key = image_key(name, (as_id(row.raw(id_field)) or "") if id_field else "")
            if ids.setdefault(name, key) != key:
                row.problem(f"image {name} has two ids, {ids[name]} and {key}")
            yield Captioned(key, name, texts, row.labels("domain"))

    return by_image(file, captioned())


def _id_field(rows: Sequence[Record], image: str) -> str:
    """Returns the field with the ids of images; "" if there is none.

    A field `id` may hold the ids of captions. It counts only if each image has one of its own.
    """
    for field in IDS:
        if any(as_id(row.raw(field)) for row in rows):
            return field
    pairs = {(as_id(row.raw(image)), as_id(row.raw("id"))) for row in rows}
    names, keys = ({pair[place] for pair in pairs} for place in (0, 1))
    return "id" if None not in keys and len(pairs) == len(names) == len(keys) else ""


def image_key(name: str, given: str = "") -> str:
    """Returns the id of an image: the given one, COCO's number, or the name of its file."""
    number = (coco_id(name) or "").removeprefix("coco/")
    return number if number and given in ("", f"coco_{number}") else given or name


def addresses(file: RecordFile) -> UserError:
    """Returns the error for a list of addresses in place of image files."""
    return UserError(
        f"{file.path}: holds addresses, not files; download the images first, with img2dataset, and read the tars "
        "that it makes with Shards (data/README.md)"
    )


def field_of(pattern: str) -> str:
    """Returns the field of a pattern of image files. Raises `UserError` unless there is exactly one."""
    try:
        fields = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    except ValueError:
        fields = set()
    if len(fields) != 1 or "" in fields:
        raise UserError(
            f"image_name {pattern!r} needs one field of the records in braces, such as {{image_id}}.jpg"
        )
    return fields.pop()


def image_fields(row: dict[str, Any]) -> list[str]:
    """Returns the fields of a row that hold an image file by their name (`IMAGE_FIELDS`).

    AI Challenger's `image_id` is one: a file name beside a list of captions. (Beside one text, the row may be a
    model's result.)
    """
    fields = [field for field in IMAGE_FIELDS if isinstance(row.get(field), str)]
    if not fields and names_image(row.get("image_id")) and isinstance(row.get("caption"), list):
        return ["image_id"]
    return fields


def caption_fields(row: dict[str, Any]) -> list[str]:
    """Returns the fields of a row that hold captions by their name (`CAPTION_FIELDS`)."""
    return [field for field in CAPTION_FIELDS if field in row]


def names_image(value: Any) -> bool:
    """Tells whether a value is the name of an image file."""
    return isinstance(value, str) and value.lower().endswith(tuple(ENDINGS))
