"""Finds columns by the names in the header of a table, or by number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from frozenvl.util.errors import UserError

NAMES = {
    "image": "image img file file_name filename filepath file_path image_path image_name image_file image_filename "
    "img_path img_name path",
    "caption": "caption captions text texts title comment comments raw sentence sentences description",
    "number": "comment_number caption_number",
    "split": "split",
    "url": "url urls image_url img_url",
}
"""Role of a column → names by which a header is recognised. Case and spaces around a name are ignored."""
IMAGE_IDS = ("image_id", "img_id")
"""Names of the column of image files, without their suffix, if no other column names them."""
IDS = ("image_id", "img_id", "id")
"""Names of the column with the ids of images, in order of preference."""
ROLES = ("caption", "image", "id", "number", "split")
"""Columns that can be given."""
DOWNLOAD = "download the images first, with img2dataset, and read the tars that it makes with Shards (data/README.md)"
ADDRESSES = f"holds addresses, not files; {DOWNLOAD}"
Given = Mapping[str, str | int | list[str | int]]
"""Role → name or number (from 1) of a column; several columns for captions."""
_COUNTED = re.compile(r"(.*?)[ _-]?\d+")
"""Name of one of several columns of captions: `caption_0`."""


def is_header(fields: Sequence[str], given: Given) -> bool:
    """Tells whether a row names the columns: those that are given by name, or else a caption and an image (or URL)."""
    names = [plain(field) for field in fields]
    columns = [
        column for value in given.values() for column in (value if isinstance(value, list) else [value])
    ]
    if wanted := [name for name in map(str, columns) if not name.isdecimal()]:
        return all(plain(name) in names for name in wanted)
    known = {role for role, words in NAMES.items() if set(names) & set(words.split())}
    placed = known & {"image", "url"} or set(names) & set(IMAGE_IDS)
    return bool(("caption" in known or _counted(fields)) and placed)


def shown(fields: Sequence[str]) -> str:
    """Returns a row for a message, with its fields shortened."""
    return " | ".join(repr(field[:40]) for field in fields)


def plain(name: str) -> str:
    return name.strip().casefold()


def find_place(first: Sequence[str], column: str | int, named: bool, width: int) -> int:
    """Returns the index of a column that is given by name or number."""
    names = [plain(field) for field in first]
    if named and names.count(plain(str(column))) == 1:
        return names.index(plain(str(column)))
    if str(column).strip().isdecimal() and 1 <= int(column) <= width:
        return int(column) - 1
    if str(column).strip().lstrip("-").isdecimal():
        raise UserError(f"columns: no column {column}; the table has {width}, counted from 1")
    if named and plain(str(column)) in names:
        raise UserError(f"columns: several columns are named {column!r}; give a number, counted from 1")
    raise UserError(f"columns: no column is named {column!r}; the first row is {shown(first)}")


def find_named(first: Sequence[str], role: str) -> list[int]:
    """Returns the indices of the columns whose name is known for a role: one or none, or several of captions that are
    counted (`caption_0`, `caption_1`).
    """
    places = [place for place, name in enumerate(first) if plain(name) in NAMES[role].split()]
    if len(places) > 1:
        raise UserError(
            f"several columns could be the {role} ({', '.join(first[place] for place in places)}); give columns, such "
            f"as {{{role}: {first[places[0]]}}}"
        )
    return places or (_counted(first) if role == "caption" else [])


def _counted(names: Sequence[str]) -> list[int]:
    """Returns the columns that are named like captions, with a number each."""
    stems = [match[1] if (match := _COUNTED.fullmatch(plain(name))) else "" for name in names]
    known = [stem for stem in stems if stem in NAMES["caption"].split()]
    return [place for place, stem in enumerate(stems) if stem and stem in known[:1]]


def unnamed(first: Sequence[str], role: str) -> str:
    if role == "image" and any(plain(name) in NAMES["url"].split() for name in first):
        return ADDRESSES
    return f"no column is named like the {role}; give columns, such as {{{role}: NAME}}; its header is {shown(first)}"
