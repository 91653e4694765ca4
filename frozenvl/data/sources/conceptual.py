"""Conceptual Captions, and other image-text pairs in a TSV table with an image folder."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.values import one_line
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image, ImageFile
from frozenvl.util.errors import UnreadableImage, UserError

CHUNK = 2**24
"""Bytes of the table that are searched for line ends at a time."""


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


class ConceptualCaptions(Source):
    """Image-text pairs from a table with a line `caption<TAB>file` for each pair.

    The table stays on disk; memory use is eight bytes per row. Invalid rows are reported when they are read, like
    unreadable images.

    Args:
        tsv: table in UTF-8, without a header.
        images: folder that the file names are relative to.

    Raises:
        UserError: if the table or the folder is missing, the table is empty, or it holds URLs instead of files.
    """

    def __init__(self, tsv: str, images: str) -> None:
        self.path = Path(tsv)
        if not self.path.is_file():
            raise UserError(f"{self.path}: no such table; name the data's folder with --data.root")
        self.folder = image_folder(Path(images))
        if not self.path.stat().st_size:
            raise UserError(f"{self.path}: lists no pairs")
        self._table = self._open()
        self._starts = np.concatenate([[0], *self._line_ends()])
        if self._starts[-1] < len(self._table):  # the last line has no newline
            self._starts = np.append(self._starts, len(self._table) + 1)
        # The first row may be a header.
        if any("://" in self._row(index)[1] for index in range(min(2, len(self)))):
            raise UserError(
                f"{self.path}: holds addresses, not files; download the images first, with img2dataset, and read "
                "the tars that it makes with Shards (data/README.md)"
            )

    def _open(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _line_ends(self) -> Iterator[np.ndarray]:
        with self.path.open("rb") as file:
            for start in range(0, len(self._table), CHUNK):
                yield np.flatnonzero(np.frombuffer(file.read(CHUNK), np.uint8) == ord("\n")) + start + 1

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_table": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._table = self._open()

    def __len__(self) -> int:
        return len(self._starts) - 1

    def _row(self, index: int) -> tuple[str, str]:
        line = self._table[self._starts[index] : self._starts[index + 1] - 1]
        caption, _, file = line.decode("utf-8", "replace").removeprefix("\ufeff").rpartition("\t")
        return one_line(caption), file.strip()

    def __getitem__(self, index: int) -> Example:
        """Returns the pair at `index`. Its `id` is its row number, from 1."""
        row_index = range(len(self))[index]
        caption, file = self._row(row_index)
        problem = "" if caption else "no caption before a tab"
        if not file or "\0" in file:
            problem = "no file after the caption"
        row = f"{self.path.name}, row {row_index + 1}"
        return Example(
            id=str(row_index + 1),
            image=BadRow(row, problem) if problem else ImageFile(self.folder / file),
            image_id=row if problem else photograph_id(self.folder, file),
            references=(caption,),
        )
