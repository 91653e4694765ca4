"""Captions in CSV and TSV tables with an image folder: Flickr8k, Flickr30k, COCO-CN, Hugging Face's imagefolder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from frozenvl.data.records.caption_table import CaptionTable
from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.problems import Problems
from frozenvl.data.records.table_detection import looks_like_table
from frozenvl.data.records.table_groups import TableGroups
from frozenvl.data.records.table_images import find_suffix, image_test
from frozenvl.data.records.values import MISSING
from frozenvl.data.shards.record import from_record
from frozenvl.data.sources.captions import Captioned
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image, ImageFile
from frozenvl.util.errors import UnreadableImage


@dataclass(frozen=True)
class BadRow(Image):
    """Placeholder for a row without an image or a caption: counted and listed like an unreadable image."""

    name: str
    problem: str

    def read(self, side: int | None = None) -> PIL.Image.Image:
        raise UnreadableImage(f"{self.name}: {self.problem}; correct or remove the row")

    @property
    def digest(self) -> str:  # type: ignore[override]
        raise UnreadableImage(f"{self.name}: {self.problem}; correct or remove the row")


class TableCaptions(Source):
    """Captions in a table with a column of image files and a column of captions: one example per image.

    Reads CSV and TSV files, Flickr8k's and Flickr30k's `.token`, `results.csv` and `flickr_annotations_30k.csv`,
    Kaggle's `captions.txt`, open_clip's tables, the `metadata.csv` of Hugging Face's imagefolder, COCO-CN. Rows of the
    same image are one example, in the order in which images first appear. Its `id` is the image file as the table
    writes it, without a caption number (`1000.jpg#0`), or the field of the column `image_id` or `id`, if each image has
    one of its own there.

    A row with a record of an example in the column `frozenvl`, as `frozenvl data convert` writes it, is that example.

    The table stays on disk. A row that cannot be used is reported when it is read, like an unreadable image.

    Args:
        table: CSV or TSV file in UTF-8 or UTF-16, or such a file in gzip.
        images: folder that the file names are relative to.
        columns: role → name of the column, or its number from 1. Roles are "caption", "image", "id", "number" (of a
            caption among those of its image) and "split". A list names several columns of captions. Columns with usual
            names are recognised, and so are `caption_0`, `caption_1`, ….
        header: whether the first row names the columns; recognised if it is None.
        split: images to read: a text file with their names, one a line, or a value of the column `split`.
        image_suffix: text that completes the names to file names, such as ".jpg"; recognised if it is None.
        separator: character between fields; recognised if it is None.
        quoted: whether fields may be quoted as in CSV files; recognised if it is None.

    Raises:
        UserError: if a file or the folder is missing, the table is empty, its separator or columns are not clear, it
            holds URLs instead of files, or none of its first rows or images can be used.
    """

    layout = "a table of captions"

    def __init__(
        self,
        table: str,
        images: str,
        columns: dict[str, str | int | list[str | int]] | None = None,
        header: bool | None = None,
        split: str | None = None,
        image_suffix: str | None = None,
        separator: str | None = None,
        quoted: bool | None = None,
    ) -> None:
        self.folder, path = image_folder(Path(images)), Path(table)
        is_image = image_test(self.folder, image_suffix)
        rows = CaptionTable(path, columns, header, separator, quoted, is_image)
        self.groups = TableGroups(rows, split)
        self.suffix = find_suffix(path, self.groups.first_images(), self.folder, image_suffix)
        self.notes.update(self.groups.notes)
        self.targets_per_example = self.groups.targets

    @classmethod
    def reads(cls, path: Path) -> bool:
        return path.is_file() and looks_like_table(path)

    @classmethod
    def annotated(
        cls,
        path: Path,
        notes: dict[str, int],
        content: Any = MISSING,
        named: bool = True,
        split: str | None = None,
        **options: Any,
    ) -> Iterator[Captioned]:
        """Yields the images of a table with their captions, without looking for image files.

        Args:
            path: the table.
            notes: gets the number of images that are left out, by reason.
            content: not used; tables are read from the file.
            named: not used; every row names its image.
            split: images to read, as the class has it.
            options: further arguments of the class: `columns`, `header`, `separator`, `quoted`.

        Raises:
            UserError: if the table cannot be read (see the class), or rows cannot be used. All such rows are named at
                once.
        """
        groups = TableGroups(CaptionTable(path, **options), split)
        notes.update(groups.notes)
        problems = Problems(path)
        ids: set[str] = set()
        for index in range(len(groups)):
            place, row = groups[index]
            key = row.id or row.image
            if problem := row.problem or (f"image {key} stands twice" if key in ids else ""):
                problems.problem(f"row {groups.table.number(place)}: {problem}")
                continue
            ids.add(key)
            yield Captioned(key, row.image, row.captions)
        problems.check()

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> Example:
        """Returns the image at `index` with all its captions."""
        place, row = self.groups[index]
        if row.problem:
            table = self.groups.table
            return bad_example(table, place, f"row {table.number(place)}", row.problem)
        image = ImageFile(self.folder / f"{row.image}{self.suffix}")
        image_id = photograph_id(self.folder, f"{row.image}{self.suffix}")
        if row.record:
            return from_record(json.loads(row.record), image, image_id)
        return Example(
            id=row.id or row.image,
            image=image,
            image_id=image_id,
            references=row.captions,
        )

    def image_ids(self) -> list[str]:
        name, rows = self.groups.table.name, map(self.groups.__getitem__, range(len(self)))
        return [
            name(place)
            if row.problem
            else (row.record and json.loads(row.record)["image_id"])
            or photograph_id(self.folder, f"{row.image}{self.suffix}")
            for place, row in rows
        ]


def bad_example(table: CaptionTable, index: int, id: str, problem: str) -> Example:
    """Returns the example of a row that cannot be used. Its image is a `BadRow`."""
    name = table.name(index)
    return Example(id=id, image=BadRow(name, problem), image_id=name, references=("",))
