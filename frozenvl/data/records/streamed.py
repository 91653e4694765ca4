"""Reads a large JSON file with little memory: its long lists stay in the file and are parsed record by record."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, overload

from frozenvl.data.records.json_text import JsonText
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json
from frozenvl.util.text_files import GZIP

MIN_BYTES = 8 << 20
"""Size from which a file is streamed. Smaller ones are parsed at once, in less than a second."""
HEAD = 256
"""Number of entries of a streamed list that are kept in memory. Shorter lists are plain lists."""

_BROKEN = (ValueError, EOFError, OSError, RecursionError, zlib.error)


def stream(path: Path) -> StreamedObject | StreamedList | None:
    """Opens a large JSON file; None if it is not one to stream: small, JSON Lines, no object or list in UTF-8.

    What is wrong with its JSON is found while it is read, at the latest when its last list ends, and raised as
    `read_json` does.
    """
    if path.stat().st_size < MIN_BYTES or ".jsonl" in path.suffixes:
        return None
    try:
        file = _StreamedFile(path)
        return file.content if isinstance(file.content, StreamedObject | StreamedList) else None
    except _BROKEN:
        return None


def is_list(value: Any) -> bool:
    """Tells whether a value of a JSON file is a list, in memory or streamed."""
    return isinstance(value, list | StreamedList)


def is_object(value: Any) -> bool:
    """Tells whether a value of a JSON file is an object, in memory or streamed."""
    return isinstance(value, dict | StreamedObject)


def beginning(content: Any) -> Any:
    """Returns the content of a file as plain values, of streamed lists only the first entries.

    This is enough to recognise its layout.
    """
    if isinstance(content, StreamedObject):
        return {key: beginning(value) for key, value in content.items()}
    return content.head if isinstance(content, StreamedList) else content


def in_memory(content: Any) -> Any:
    """Returns the content of a file as plain values."""
    if isinstance(content, StreamedObject):
        return {key: in_memory(value) for key, value in content.items()}
    # An iterator, because list() would ask the list for its length first, and so parse it twice.
    return list(iter(content)) if isinstance(content, StreamedList) else content


class StreamedObject(Mapping[str, Any]):
    """Object of a JSON file. Its keys are read when they are asked for, and its long lists are streamed."""

    def __init__(self, file: _StreamedFile) -> None:
        self._file = file

    def __getitem__(self, key: str) -> Any:
        while key not in self._file.values and self._file.read_value():
            pass
        return self._file.values[key]

    def __iter__(self) -> Iterator[str]:
        self._file.read_to_end()
        return iter(self._file.values)

    def __len__(self) -> int:
        self._file.read_to_end()
        return len(self._file.values)


class StreamedList(Sequence[Any]):
    """List of a JSON file, whose entries are parsed anew in each iteration."""

    def __init__(self, file: _StreamedFile, start: int, entries: Iterator[Any], head: list[Any]) -> None:
        self._file, self._start, self.head = file, start, head
        self._first: Iterator[Any] | None = entries
        self._passed, self._complete = len(head), False

    def __len__(self) -> int:
        if not self._complete:
            self._file.read_to_end()
        return self._passed

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice) and 0 <= index < len(self.head):
            return self.head[index]
        return [*self][index]

    def __iter__(self) -> Iterator[Any]:
        """Yields the entries.

        Raises:
            UserError: if the file is not valid JSON, or has changed since it was opened.
        """
        given = 0
        if self._first is not None:  # the first iteration goes on where the file has been read to
            for entry in self._following(self._first):
                given += 1
                yield entry
            if given == self._passed and self._complete:
                return
        try:
            with _opened(self._file.path) as file:
                file.seek(self._start)
                for number, entry in enumerate(JsonText(file).entries(), 1):
                    if number > given:
                        given = number
                        yield entry
        except _BROKEN:
            given = -1
        if given != len(self):
            raise UserError(f"{self._file.path}: has changed while it was read; start again")

    def _following(self, entries: Iterator[Any]) -> Iterator[Any]:
        """Yields entries as they are parsed for the first time, until somebody else reads on in the file."""
        self._first = None
        yield from self.head
        try:
            for entry in entries:
                self._passed += 1
                yield entry
                if self._complete:
                    return
        except _BROKEN as error:
            self._file.fail(error)
        self._file.read_to_end()

    def pass_by(self, entries: Iterator[Any]) -> None:
        """Reads the entries that nobody has asked for."""
        self._first = None
        for _ in entries:
            self._passed += 1
        self._complete = True


class _StreamedFile:
    """A JSON file, read from its beginning as far as it is asked about.

    Args:
        path: the file.

    Raises:
        ValueError: if it begins with neither a list nor an object.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.values = path, dict[str, Any]()
        self._file = _opened(path)
        if self._file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            self._file.seek(0)
        self._text = JsonText(self._file)
        if self._text.take("{"):
            self.content: Any = StreamedObject(self)
            self._rest = self._object()
        elif self._text.take("["):
            self._rest = self._list("")
            next(self._rest)
            self.content = self.values[""]
        else:
            raise ValueError("neither a list nor an object")

    def read_value(self) -> bool:
        """Reads on to the end of the next value, but not through a long list; returns whether there was one.

        Raises:
            UserError: if the file is not valid JSON.
        """
        try:
            return next(self._rest, self) is not self
        except _BROKEN as error:
            self.fail(error)

    def read_to_end(self) -> None:
        """Reads the whole file. Errors: see `read_value`."""
        while self.read_value():
            pass

    def fail(self, error: Exception) -> NoReturn:
        """Raises the `UserError` of `read_json` for a broken file; otherwise one that says what cannot be read."""
        self._file.close()
        read_json(self.path)
        raise UserError(f"{self.path}: cannot be used ({error}); correct it") from None

    def _object(self) -> Iterator[None]:
        """Reads the values of the object one by one."""
        text = self._text
        more = not text.take("}")
        while more:
            key = text.value()
            if not isinstance(key, str) or not text.take(":"):
                raise ValueError("no key")
            if key in self.values:
                raise ValueError(f"{key!r} stands twice in one object")
            if text.take("["):
                yield from self._list(key)
            else:
                self.values[key] = text.value()
                yield
            more = text.take(",")
            if not more and not text.take("}"):
                raise ValueError("no comma between values")
        self._check_end()

    def _list(self, key: str) -> Iterator[None]:
        """Reads a list; pauses after its first entries if it is long."""
        start, entries = self._text.byte, self._text.entries()
        head = [*islice(entries, HEAD + 1)]
        if len(head) <= HEAD:
            self.values[key] = head
        else:
            self.values[key] = streamed = StreamedList(self, start, entries, head)
            yield
            streamed.pass_by(entries)
        if not key:
            self._check_end()
        yield

    def _check_end(self) -> None:
        if self._text.next():
            raise ValueError("something follows its end")
        self._file.close()


def _opened(path: Path) -> BinaryIO:
    """Opens a file, unpacked if it is a gzip file."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]
