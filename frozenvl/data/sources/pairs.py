"""Base of the sources for matching: an image with a true caption and foils, which are almost like it but wrong."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.annotated import Annotated
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.packed import Packed
from frozenvl.prompt import CroppedImage, Example, ImageFile


class Pair(NamedTuple):
    """One image with its true caption and its foils, as read from a data set."""

    id: str
    file: str
    """Image file, relative to the image folder."""
    caption: str
    foils: tuple[str, ...]
    kind: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple, which nobody changes
    """Labels by which scores are broken down."""
    photograph: str = ""
    """Data-set-independent id of the photograph, if the file name does not imply it."""
    box: tuple[int, int, int, int] | None = None
    """Part of the image that is shown: left, top, right and bottom, in pixels; None for all of it."""


class Pairs(Annotated):
    """Base class of sources for the benchmark `Matching`. A subclass names its layout and reads a file's records.

    An example has the true caption as reference, and as choices the true caption and the foils.

    Args:
        path: annotation file.
        images: folder of the image files.
        options: arguments of the subclass's `read`.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, or records cannot be used. All
            problems of the file are named at once.
    """

    entry, entries = "item", "captions with foils"

    @abstractmethod  # only subclasses can be built
    def __init__(self, path: str, images: str, **options: Any) -> None:
        self.folder = image_folder(Path(images))
        self.rows = Packed(tuple(row) for row in self.annotated(Path(path), self.notes, **options))

    @classmethod
    def note(cls, file: RecordFile, row: Pair) -> None:
        if row.caption and row.caption in row.foils:
            file.notes["items with a foil that equals the true caption, which count as wrong"] += 1

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        row = Pair(*self.rows[index])
        image = ImageFile(self.folder / row.file)
        return Example(
            id=row.id,
            image=CroppedImage(image, row.box) if row.box else image,
            image_id=self._image_id(row),
            references=(row.caption,),
            kind=row.kind,
            choices=(row.caption, *row.foils),
        )

    def _image_id(self, row: Pair) -> str:
        return row.photograph or photograph_id(self.folder, row.file)

    def image_ids(self) -> list[str]:
        return [self._image_id(Pair(*row)) for row in self.rows]
