"""Conceptual Captions, and other image-text pairs in a TSV table with an image folder."""

from __future__ import annotations

from pathlib import Path

from frozenvl.data.records.caption_table import CaptionTable
from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.table_images import find_suffix, image_test
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.table import bad_example
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError


class ConceptualCaptions(Source):
    """Image-text pairs from a table with one row for each pair, `caption<TAB>file` if it has no header.

    Each row is an example, and its `id` is its row number in the file, from 1. The table stays on disk; memory use is
    eight bytes per row. Invalid rows are reported when they are read, like unreadable images. `TableCaptions` reads
    tables with several captions per image.

    Args:
        tsv: table in UTF-8 or UTF-16, or such a file in gzip. Other separators and quoted fields are recognised.
        images: folder that the file names are relative to.
        columns: role ("caption", "image", "id") → name of the column, or its number from 1. Columns with usual names
            are recognised.
        header: whether the first row names the columns; recognised if it is None.
        separator: character between fields; recognised if it is None.
        quoted: whether fields may be quoted as in CSV files; recognised if it is None.

    Raises:
        UserError: if the table or the folder is missing, the table is empty, its columns are swapped or not clear, it
            holds URLs instead of files, or none of its first rows or images can be used.
    """

    def __init__(
        self,
        tsv: str,
        images: str,
        columns: dict[str, str | int | list[str | int]] | None = None,
        header: bool | None = None,
        separator: str | None = None,
        quoted: bool | None = None,
    ) -> None:
        self.folder, path = image_folder(Path(images)), Path(tsv)
        self.table = CaptionTable(
            path, columns, header, separator, quoted, image_test(self.folder, None), fixed=True
        )
        if self.table.columns.lists or len(self.table.columns.captions) > 1:
            raise UserError(f"{path}: a row has several captions; read it with TableCaptions")
        self.suffix = find_suffix(path, self.table.first_images(), self.folder, None)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Example:
        """Returns the pair at `index`. Its `id` is its row number, from 1."""
        place = range(len(self))[index]
        row = self.table[place]
        number = str(self.table.number(place))
        if row.problem:
            return bad_example(self.table, place, number, row.problem)
        file = f"{row.image}{self.suffix}"
        return Example(
            id=row.id or number,
            image=ImageFile(self.folder / file),
            image_id=photograph_id(self.folder, file),
            references=row.captions,
        )
