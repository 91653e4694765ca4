"""Finds the columns of captions and images in a table: by the names in its header, by number, or by their content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from frozenvl.data.records.csv_text import looks_like_file
from frozenvl.data.records.table_header import (
    ADDRESSES,
    IDS,
    IMAGE_IDS,
    ROLES,
    Given,
    find_named,
    find_place,
    is_header,
    plain,
    shown,
    unnamed,
)
from frozenvl.data.shards.record import RECORD
from frozenvl.util.errors import UserError

NUMBERED = re.compile(r"(.*\S)#(\d+)", re.S)
"""Image file with the number of a caption: `1000.jpg#0`."""

MOSTLY = 0.9
"""Share of the first rows by which a column is recognised."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table: index of each role (None: no such column), and how their fields are written."""

    header: bool
    captions: tuple[int, ...]
    """Several columns may hold the captions of an image: `caption_0`, `caption_1`."""
    image: int
    id: int | None
    id_given: bool
    """Whether the column of ids is given. One that is found counts only if each image has one id of its own."""
    number: int | None
    split: int | None
    record: int | None
    """Column with the records of examples, which `frozenvl data convert` writes."""
    numbered: bool
    """Whether image files are followed by the number of a caption: `1000.jpg#0`."""
    lists: bool
    """Whether each caption is a JSON list of captions."""


def find_columns(
    rows: Sequence[Sequence[str]],
    width: int,
    given: Given,
    header: bool | None = None,
    is_image: Callable[[str], bool] | None = None,
    fixed: bool = False,
) -> Columns:
    """Finds the columns of a table.

    Args:
        rows: first rows that have `width` fields.
        width: number of columns.
        given: columns that are given.
        header: whether the first row names the columns; recognised if it is None.
        is_image: function that tells whether there is an image file of some name.
        fixed: whether a table without a header has the columns caption, image.

    Raises:
        UserError: if a column cannot be found, or several can be meant. The message does not name the file.
    """
    if unknown := [role for role in given if role not in ROLES]:
        raise UserError(f"columns: unknown {unknown[0]!r}; give {', '.join(ROLES)}")
    first = [field.strip() for field in rows[0]]
    named = is_header(first, given) if header is None else header
    below = rows[1:] if named else rows
    found: dict[str, list[int]] = {}
    for role, value in given.items():
        columns = value if isinstance(value, list) else [value]
        if not columns or (len(columns) > 1 and role != "caption"):
            raise UserError(f"columns: {role} is {len(columns)} columns; give one")
        found[role] = [find_place(first, column, named, width) for column in columns]
    if named:
        for role in ("image", "caption", "number", "split"):
            found[role] = found.get(role) or find_named(first, role)
            if not found[role] and role == "image":
                found[role] = [place for place, name in enumerate(map(plain, first)) if name in IMAGE_IDS][:1]
            if not found[role] and role in ("image", "caption"):
                raise UserError(unnamed(first, role))
    captions = found.pop("caption", [])
    places = {role: columns[0] for role, columns in found.items() if columns}
    if not captions or "image" not in places:
        places["image"], caption = _ordered(rows, width, places.get("image"), captions, is_image, fixed)
        captions = captions or [caption]
    if below and sum("://" in row[places["image"]] for row in below) * 2 >= len(below):
        raise UserError(ADDRESSES)
    if places["image"] in captions or len(set(captions)) < len(captions):
        raise UserError("columns: the image and the captions share a column; give different ones")
    files = [row[places["image"]] for row in below]
    if header is None and not named and len(files) > 1 and not looks_like_file(files[0]):
        exists = is_image is not None and is_image(files[0].strip())
        if not exists and _mostly(looks_like_file, files[1:]):
            raise UserError(
                f"the first row ({shown(first)}) looks like a header whose names are not known; give columns, such "
                f"as {{image: {places['image'] + 1}, caption: {captions[0] + 1}}}, and header: true or false"
            )
    return Columns(
        header=named,
        captions=tuple(captions),
        image=places["image"],
        id=places.get("id", _id_column(first, places["image"]) if named else None),
        id_given="id" in places,
        number=places.get("number"),
        split=places.get("split"),
        record=first.index(RECORD) if named and RECORD in first else None,
        numbered=_mostly(lambda file: NUMBERED.fullmatch(file.strip()), files),
        lists=len(captions) == 1 and _are_lists([row[captions[0]].strip() for row in below]),
    )


def _id_column(header: Sequence[str], image: int) -> int | None:
    """Returns the column with the ids of images, by its name; None if there is none."""
    names = [plain(name) for name in header]
    found = (names.index(name) for name in IDS if names.count(name) == 1)
    return next((place for place in found if place != image), None)


def as_list(field: str) -> list[str] | None:
    """Returns the texts of a JSON list; None if the field is none."""
    try:
        texts = json.loads(field)
    except (ValueError, RecursionError):
        return None
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else None


def _mostly(test: Callable[[str], object], fields: Sequence[str]) -> bool:
    """Tells whether a test holds for fields, a few bad rows apart."""
    return bool(fields) and sum(bool(test(field)) for field in fields) >= MOSTLY * len(fields)


def _are_lists(captions: Sequence[str]) -> bool:
    """Tells whether captions are JSON lists of texts. Other lists are refused: they are not one caption each."""
    captions = [*filter(None, captions)]
    others = [text for text in captions if as_list(text) is None]
    if _mostly(lambda text: as_list(text) is not None, captions):
        return True
    lists = sum(re.fullmatch(r"""\[\s*['"].*\]""", text, re.S) is not None for text in captions)
    if captions and lists >= len(captions) / 2:
        raise UserError(
            f"captions are lists, but not all are JSON lists of texts, such as {others[0][:60]}; write them with "
            "json.dumps"
        )
    return False


def _ordered(
    rows: Sequence[Sequence[str]],
    width: int,
    image: int | None,
    captions: Sequence[int],
    is_image: Callable[[str], bool] | None,
    fixed: bool,
) -> tuple[int, int]:
    """Returns the columns of the image and the caption in a table without a header, of which one may be given."""
    columns = [[row[place].strip() for row in rows] for place in range(width)]
    if any(sum("://" in field for field in column) * 2 >= len(rows) for column in columns):
        raise UserError(ADDRESSES)
    tests = [looks_like_file, *([is_image] if is_image else [])]
    # The first row may be a header whose names are not known.
    tries = [(test, skipped) for skipped in (0, 1)[: len(rows)] for test in tests]
    files: list[int] = []
    for test, skipped in tries:
        files = files or [place for place, column in enumerate(columns) if _mostly(test, column[skipped:])]
    if width != 2:
        file = files[0] + 1 if len(files) == 1 else "N"
        raise UserError(
            f"has {width} columns, and no header that names them; give columns, such as {{image: {file}, caption: N}} "
            f"with numbers from 1; the first row is {shown(rows[0])}"
        )
    if image is not None or captions:
        return (1 - captions[0], captions[0]) if captions else (image or 0, 1 - (image or 0))
    if fixed:
        if files == [0]:
            exist = (
                "a file that exists"
                if is_image and all(map(is_image, columns[0]))
                else "named like an image file"
            )
            raise UserError(
                f"the columns are swapped: every caption is {exist}; give columns {{image: 1, caption: 2}}, or use "
                "TableCaptions"
            )
        return 1, 0
    if len(files) != 1:
        which = "both columns name" if files else "neither column names"
        raise UserError(
            f"{which} image files in each of the first rows; give columns {{image: 1, caption: 2}} or {{caption: 1, "
            f"image: 2}}; the first row is {shown(rows[0])}"
        )
    return files[0], 1 - files[0]
