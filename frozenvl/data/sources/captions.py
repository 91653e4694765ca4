"""Base of the sources of captions in JSON files: one example per image, with all its captions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.shards.record import from_record
from frozenvl.data.sources.annotated import Annotated
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.prompt import Example, Image, ImageFile


class Captioned(NamedTuple):
    """One image with its captions, as read from a data set."""

    id: str
    file: str
    """Image file, relative to the image folder."""
    captions: tuple[str, ...]
    kind: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple, which nobody changes
    """Labels by which scores are broken down."""
    record: dict[str, Any] | None = None
    """Record of the whole example, if `frozenvl data convert` wrote one; its targets are the captions."""


class Captions(Annotated):
    """Base class of caption sources. A subclass names its layout and reads a file's records.

    Args:
        path: annotation file.
        images: folder of the image files.
        options: arguments of the subclass's `read`.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, or records cannot be used. All
            problems of the file are named at once.
    """

    @abstractmethod  # only subclasses can be built
    def __init__(self, path: str, images: str, **options: Any) -> None:
        self.folder = image_folder(Path(images))
        self.rows = self.table(Path(path), Captioned, **options)
        self.targets_per_example = self.rows.sizes("captions").tolist()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        row = Captioned(*self.rows[index])
        file = self.located(row.file)
        image, image_id = self.image(self.folder / file), photograph_id(self.folder, file)
        if row.record:
            return from_record(row.record, image, image_id)
        return Example(
            id=row.id,
            image=image,
            image_id=image_id,
            references=row.captions,
            kind=row.kind,
        )

    def image(self, path: Path) -> Image:
        """Returns the image of a file; a video, in sources of videos."""
        return ImageFile(path)

    def image_ids(self) -> list[str]:
        rows = zip(self.rows.column("file"), self.rows.column("record"), strict=True)
        return [
            record["image_id"] if record else photograph_id(self.folder, self.located(file))
            for file, record in rows
        ]


def by_image(file: RecordFile, rows: Iterable[Captioned]) -> Iterator[Captioned]:
    """Joins rows of the same image, such as one row per caption, in the order in which images first appear.

    Captions that an image has in several rows are kept, since people agree, and counted in the file's notes.
    """
    images: dict[str, Captioned] = {}
    for row in rows:
        first = images.get(row.id)
        if first is None:
            images[row.id] = row
        elif (first.file, first.kind) != (row.file, row.kind):
            file.problem(f"image {row.id} is described twice in different ways ({first.file}, {row.file})")
        else:
            if repeated := sum(text in first.captions for text in row.captions):
                file.notes["captions that their image has twice"] += repeated
            images[row.id] = first._replace(captions=first.captions + row.captions)
    yield from images.values()
