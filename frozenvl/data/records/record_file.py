"""An annotation file and its records."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frozenvl.data.records.problems import Problems
from frozenvl.data.records.record import Record, records_of
from frozenvl.data.records.streamed import beginning, is_list, is_object, stream
from frozenvl.data.records.values import MISSING, described
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json
from frozenvl.util.text_files import read_text


class RecordFile(Problems):
    """A JSON or JSON Lines file, or a text file of another layout, whose content is then its text.

    Args:
        path: the file.
        layout: name of the expected layout, for messages.
        content: content of the file, if it has been read before.
        named: whether records have to name their image files. Files that are only scored need not.
        remedy: what to do with a file of another layout; by default, use the source that reads it.
        streams: whether the reader takes a large file's lists as `StreamedList`, parsed record by record.

    Raises:
        UserError: if the file does not exist, or is broken JSON.
    """

    def __init__(
        self,
        path: Path,
        layout: str,
        content: Any = MISSING,
        named: bool = True,
        remedy: str = "",
        streams: bool = False,
    ) -> None:
        if path.is_dir():
            from frozenvl.data.detect import hint

            raise UserError(f"{path}: a folder, not a file; {hint(path)}")
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; check the path, or name the data's folder with --data.root"
            )
        super().__init__(path, layout, named)
        self.remedy = remedy
        with _no_collector():
            if content is MISSING:
                content = stream(path) if streams else None
                content = _content(path) if content is None else content
            self.content = content

    def records(self, key: str | None = None) -> Iterator[Record]:
        """Yields the records of the list at a key of the file's object; of the file itself without a key.

        Raises:
            UserError: if there is no such list.
        """
        rows = self.content
        if key is not None:
            if not is_object(rows):
                raise self.refused(f"it is {described(beginning(rows))}, not an object with {key!r}")
            rows = rows.get(key, MISSING)
        if not is_list(rows):
            raise self.refused(f"{repr(key) if key else 'it'} is {described(beginning(rows))}, not a list")
        return records_of(self, rows, key or "", key or "")

    def by_key(self, key: str | None = None) -> Iterator[tuple[str, Record]]:
        """Yields (id, record) of an object whose keys are ids. An id that stands twice is a problem."""
        rows = self.content if key is None else self.content.get(key, MISSING)
        if not isinstance(rows, dict):
            raise self.refused(f"{repr(key) if key else 'it'} is {described(rows)}, not an object by id")
        objects = sum(isinstance(data, dict) for data in rows.values())
        if 2 * objects < max(1, len(rows)):
            raise self.refused(f"{objects or 'none'} of its {len(rows)} values are objects")
        self.find_repeated_keys()
        for name, data in rows.items():
            place = f"{key or 'record '}[{name!r}]"
            for record in records_of(self, [data], key or "", place, keyed=True):
                yield name.strip(), record

    def find_repeated_keys(self) -> None:
        """Notes the keys that an object of the file has twice. Parsing keeps the last of them, without a word."""

        def count(pairs: list[tuple[str, Any]]) -> None:
            if len(pairs) != len(dict(pairs)):
                for key, times in Counter(key for key, _ in pairs).items():
                    if times > 1:
                        self.problem(f"{key!r} stands {times} times in one object")

        with _no_collector():
            read_json(self.path, count)

    @contextmanager
    def reading(self, reader: type | None = None) -> Iterator[None]:
        """Context manager around a reader of the records: reports what is wrong with them when they have been read.

        Args:
            reader: class that reads them. An error in a class of somebody else is reported as theirs.

        Raises:
            UserError: if a problem was noted, or the reader failed because the file has another layout.
        """
        try:
            with _no_collector():
                yield
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            if reader and not reader.__module__.startswith("frozenvl."):
                name = f"{reader.__module__}.{reader.__qualname__}"
                raise UserError(
                    f"{name}.read fails on {self.path}: {type(error).__name__}: {error} (--debug shows the traceback)"
                ) from error
            raise self.refused(f"{type(error).__name__}: {error}") from error
        self.check()

    def refused(self, reason: str) -> UserError:
        """Returns the error for a file of another layout. It names the source that reads the file, if there is one."""
        from frozenvl.data.detect import advice

        remedy = self.remedy or advice(self.path, beginning(self.content), self.layout)
        return UserError(f"{self.path}: not {self.layout} ({reason}); {remedy}")


def _content(path: Path) -> Any:
    """Returns the content of a JSON file, or the text of a file that does not begin like one."""
    try:
        return read_json(path)
    except UserError:
        text = read_text(path)
        if text.lstrip().startswith(("{", "[")):
            raise
        return text


@contextmanager
def _no_collector() -> Iterator[None]:
    """Suspends garbage collection, which would double the time to parse millions of records."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
