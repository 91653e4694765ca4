"""Base of the sources of an annotation file, whose records name image files: captions, questions, pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from frozenvl.data.arrow.row_table import RowTable
from frozenvl.data.arrow.table_cache import kept_table
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import MISSING
from frozenvl.data.sources.packed import PackedTable
from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UserError


class Annotated(Source):
    """Base class of sources of an annotation file. `read` makes a row with an `id` of each entry."""

    entry: ClassVar[str] = "image"
    entries: ClassVar[str] = "images"
    """Noun for a row and for several, for messages."""

    streams: ClassVar[bool] = False
    """Whether `read` takes the long lists of large files as `StreamedList`, which can be read from the start alone."""

    @classmethod
    @abstractmethod
    def read(cls, file: RecordFile, *args: Any, **options: Any) -> Iterable[Any]:
        """Yields the rows of a file. Their ids may repeat only by mistake."""

    @classmethod
    def note(cls, file: RecordFile, row: Any) -> None:
        """Counts a row that is worth a remark in the notes of its file."""

    @classmethod
    def annotated(
        cls, path: Path, notes: dict[str, int], content: Any = MISSING, named: bool = True, **options: Any
    ) -> Iterator[Any]:
        """Yields the rows of a file, and reports all of its problems at the end.

        Args:
            path: annotation file.
            notes: gets what is left out or worth a remark, with its number.
            content: content of the file, if it has been read.
            named: whether records have to name their image files.
            options: arguments of `read`.

        Raises:
            UserError: if the file cannot be read, see the class.
        """
        file = RecordFile(path, cls.layout, content, named, streams=cls.streams)
        ids: set[str] = set()
        with file.reading(cls):
            for row in cls.read(file, **options):
                if row.id and row.id in ids:
                    file.problem(f"{cls.entry} {row.id} stands twice")
                ids.add(row.id)
                cls.note(file, row)
                yield row
        if not ids:
            where = f" in split {options['split']!r}" if "split" in options else ""
            left_out = ", ".join(f"{count:,} {reason}" for reason, count in file.notes.items())
            raise UserError(f"{path}: lists no {cls.entries}{where}" + (f" ({left_out})" if left_out else ""))
        notes.update(file.notes)

    def table(self, path: Path, row: type[tuple[Any, ...]], **options: Any) -> PackedTable | RowTable:
        """Returns the rows of a file, of the class `row`: of a large file from the cache, where they are kept once.

        Other arguments, notes and errors: see `annotated`.
        """

        def read(notes: dict[str, int]) -> Iterator[tuple[Any, ...]]:
            return map(tuple, self.annotated(path, notes, **options))

        kept = kept_table(type(self), path, row, options, read)
        if kept is None:
            return PackedTable(read(self.notes), row._fields)  # type: ignore[attr-defined]
        self.notes.update(kept.notes)
        return kept

    def located(self, file: str) -> str:
        """Returns the path of an image file below the image folder."""
        return file
