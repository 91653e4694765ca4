"""Joins the rows of a table that are of the same image."""

from __future__ import annotations

import re
from array import array
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np

from frozenvl.data.records.caption_table import CHECKED, EMPTY, CaptionTable, Row
from frozenvl.data.records.dialect import HEAD_ROWS
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import read_text

SUFFIX = re.compile(r"\.(?:avif|bmp|gif|jfif|jp2|jpe?g|png|ppm|tiff?|webp)$", re.I)


class TableGroups:
    """Groups of rows: each image with all its rows, in the order in which images first appear.

    A row that cannot be used is a group of its own. Memory use is below 40 bytes per row.

    Args:
        table: the rows.
        split: text file with the names of the images to keep, one a line, with or without their suffix; or a value of
            the table's column `split`. None keeps all images.

    Attributes:
        targets: number of captions of each group.
        notes: what was left out on purpose, with its number.

    Raises:
        UserError: if there is no such split, or an image has several ids.
    """

    def __init__(self, table: CaptionTable, split: str | None = None) -> None:
        self.table = table
        self.notes: dict[str, int] = {}
        self._problems: dict[int, str] = {}
        """Row → what is wrong with it beside other rows."""
        names = _names(split, table) if split is not None else None
        rows, images, numbers, ids, counts = array("q"), array("Q"), array("Q"), array("Q"), array("I")
        left_out: set[int] = set()
        kept: set[int] = set()
        for index, row in enumerate(table):
            if row.problem == EMPTY:
                continue
            if split is not None and row.image:
                bare = _hash(SUFFIX.sub("", row.image))
                if row.split != split if names is None else bare not in names:
                    left_out.add(bare)
                    continue
                kept.add(bare)
            rows.append(index)
            images.append(_hash(f"\0{index}" if row.problem or row.record else row.image))
            numbers.append(_hash(f"{row.number}\0{row.image}") if row.number and not row.problem else 0)
            ids.append(_hash(row.id))
            counts.append(len(row.captions) if row.record else len(row.captions) or 1)
        if not rows:
            raise UserError(f"{table.file.path}: no image is in split {split!r}; choose another")
        if split is None and table.columns.split is not None:
            self.notes["rows of all splits, because none was chosen"] = len(rows)
        if left_out:
            self.notes["images of other splits left out"] = len(left_out)
        if names is not None and len(names) > len(kept):
            self.notes["names of the split that the table lacks"] = len(names) - len(kept)
        row_of, image_of = np.array(rows), np.array(images, np.uint64)
        self._find_repeats(row_of, image_of, np.array(numbers, np.uint64))
        self._group(row_of, image_of, np.array(ids, np.uint64), np.array(counts))

    def _find_repeats(self, rows: np.ndarray, images: np.ndarray, numbers: np.ndarray) -> None:
        """Notes the rows whose image has a caption of the same number before."""
        order = np.argsort(numbers, kind="stable")
        again = np.flatnonzero((np.diff(numbers[order]) == 0) & (numbers[order][1:] > 0))
        for place in again.tolist():
            first, second = order[place], order[place + 1]
            row, before = self.table[int(rows[second])], self.table[int(rows[first])]
            what = "the same caption" if row.captions == before.captions else "another caption"
            self._problems[int(rows[second])] = (
                f"{row.image} has {what} with the number {row.number} in row {self.table.number(int(rows[first]))}"
            )
            images[second] = _hash(f"\0{rows[second]}")

    def _group(self, rows: np.ndarray, images: np.ndarray, ids: np.ndarray, counts: np.ndarray) -> None:
        _, first, group = np.unique(images, return_index=True, return_inverse=True)
        other = np.flatnonzero(ids != ids[first][group])
        shared = len(np.unique(ids[first])) < len(first)
        if not self.table.columns.id_given and (other.size or shared):
            self.table.columns = replace(
                self.table.columns, id=None
            )  # the ids of captions, or of something else
        elif other.size:
            row = self.table[int(rows[other[0]])]
            before = self.table[int(rows[first[group[other[0]]]])]
            raise UserError(
                f"{self.table.file.path}: {row.image} has two ids ({before.id}, {row.id}); give the column of the "
                "image's id, not the caption's, or leave id out"
            )
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        order = np.argsort(rank[group], kind="stable")
        self._rows, self._ends = rows[order], np.cumsum(np.bincount(group)[np.argsort(first)])
        self.targets = [int(n) for n in np.bincount(rank[group], weights=counts)]

    def first_images(self) -> list[str]:
        """Returns the image files of the first groups."""
        rows = (self[index][1] for index in range(min(len(self), HEAD_ROWS)))
        return [row.image for row in islice((row for row in rows if not row.problem), CHECKED)]

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> tuple[int, Row]:
        """Returns (index of the first row, the group as one row with all its captions)."""
        group = range(len(self))[index]
        start = self._ends[group - 1] if group else 0
        places = self._rows[start : self._ends[group]].tolist()
        rows = [self.table[place] for place in places]
        problem = self._problems.get(places[0], rows[0].problem)
        captions = tuple(caption for row in rows for caption in row.captions)
        return places[0], rows[0]._replace(captions=() if problem else captions, problem=problem)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little") or 1


def _names(split: str, table: CaptionTable) -> set[int] | None:
    """Returns the hashes of the images that a text file names; None if the split is a value of the table."""
    path = Path(split)
    if path.is_file():
        names = filter(None, map(str.strip, read_text(path).splitlines()))
        return {_hash(SUFFIX.sub("", name)) for name in names}
    if table.columns.split is None:
        raise UserError(f"{split}: no such file with the names of the images of a split, one a line")
    return None
