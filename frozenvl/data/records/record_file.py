"""An annotation file and its records. What is wrong with them is collected, so that one refusal names all of it."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frozenvl.data.records.values import MISSING, as_id, described, one_line, short_line
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json
from frozenvl.util.text_files import read_text

MAX_NAMED = 20
"""Number of problems of a file that its refusal names."""
ID_FIELDS = (
    "id",
    "question_id",
    "qid",
    "caption_id",
    "qa_id",
    "image_id",
    "img_id",
    "image",
    "file_name",
    "filename",
)
"""Fields by which messages name a record, in order of preference."""


class RecordFile:
    """A JSON or JSON Lines file, or a text file of another layout, whose content is then its text.

    Args:
        path: the file.
        layout: name of the expected layout, for messages.
        content: its content, if it has been read before.
        named: whether records have to name their image files. Files that are only scored need not.
        remedy: what to do with a file of another layout; by default, use the source that reads it.

    Raises:
        UserError: if the file does not exist, or is broken JSON.
    """

    def __init__(
        self, path: Path, layout: str, content: Any = MISSING, named: bool = True, remedy: str = ""
    ) -> None:
        if path.is_dir():
            from frozenvl.data.detect import advice

            raise UserError(f"{path}: a folder, not a file; {advice(path, None)}")
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; check the path, or name the data's folder with --data.root"
            )
        self.path, self.layout, self.named, self.remedy = path, layout, named, remedy
        self.notes: Counter[str] = Counter()
        """Records left out on purpose: reason → count."""
        self._problems: list[str] = []
        self._count = 0
        self._seen: Counter[str] = Counter()
        self._missing: Counter[tuple[str, str]] = Counter()
        self._withheld: dict[tuple[str, str], list[str]] = {}
        with _no_collector():
            self.content = _content(path) if content is MISSING else content

    def records(self, key: str | None = None) -> Iterator[Record]:
        """Yields the records of the list at a key of the file's object; of the file itself without a key.

        Raises:
            UserError: if there is no such list.
        """
        rows = self.content
        if key is not None:
            if not isinstance(rows, dict):
                raise self.refused(f"it is {described(rows)}, not an object with {key!r}")
            rows = rows.get(key, MISSING)
        if not isinstance(rows, list):
            raise self.refused(f"{repr(key) if key else 'it'} is {described(rows)}, not a list")
        return self._each(rows, key or "", key or "")

    def by_key(self, key: str | None = None) -> Iterator[tuple[str, Record]]:
        """Yields (id, record) of an object whose keys are ids. An id that stands twice is a problem."""
        rows = self.content if key is None else self.content.get(key, MISSING)
        if not isinstance(rows, dict):
            raise self.refused(f"{repr(key) if key else 'it'} is {described(rows)}, not an object by id")
        self._find_repeated_keys()
        for name, data in rows.items():
            place = f"{key or 'record '}[{name!r}]"
            for record in self._each([data], key or "", place, keyed=True):
                yield name.strip(), record

    def _find_repeated_keys(self) -> None:
        """Notes the keys that an object of the file has twice. Parsing keeps the last of them, without a word."""

        def count(pairs: list[tuple[str, Any]]) -> None:
            if len(pairs) != len(dict(pairs)):
                for key, times in Counter(key for key, _ in pairs).items():
                    if times > 1:
                        self.problem(f"{key!r} stands {times} times in one object")

        with _no_collector():
            read_json(self.path, count)

    def _each(self, rows: list[Any], kind: str, place: str, keyed: bool = False) -> Iterator[Record]:
        """Yields records. `kind` names all lists of this kind, `place` this one (or, with `keyed`, the record)."""
        self._seen[kind] += len(rows)
        for index, data in enumerate(rows):
            record = Record(self, data, kind, place, None if keyed else index)
            if isinstance(data, dict):
                yield record
            else:
                self.problem(f"{record.place} is {described(data)}, not an object")

    def problem(self, text: str) -> None:
        """Notes a problem. `check` reports it."""
        self._count += 1
        if self._count <= MAX_NAMED:
            self._problems.append(text)

    def missing(self, kind: str, field: str) -> None:
        """Notes that a record of some kind lacks a field."""
        self._missing[kind, field] += 1

    def withheld(self, kind: str, field: str, record: str) -> None:
        """Notes that a record lacks a field that test sets withhold; all records of its kind have to lack it, then."""
        self._withheld.setdefault((kind, field), []).append(record)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Context manager around a reader of the records: reports what is wrong with them when they have been read.

        Raises:
            UserError: if a problem was noted, or the reader failed because the file has another layout.
        """
        try:
            with _no_collector():
                yield
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise self.refused(f"{type(error).__name__}: {error}") from error
        self.check()

    def check(self) -> None:
        """Raises `UserError` if any problem was noted, with the first problems and their number.

        If a field is missing from all records, the file has another layout, and the error says which.
        """
        for (kind, field), count in self._missing.items():
            if count == self._seen[kind]:
                where = f"no record of {kind!r}" if kind else "no record"
                raise self.refused(f"{where} has {field!r}")
        for (kind, field), names in self._withheld.items():
            if len(names) < self._seen[kind]:
                for name in names:
                    self.problem(f"{name}: has no {field!r}, which other records have")
        if self._count == 1:
            raise UserError(f"{self.path}: {self._problems[0]}; correct or remove it")
        if self._count:
            more = f"\n  … and {self._count - MAX_NAMED:,} more" if self._count > MAX_NAMED else ""
            raise UserError(
                f"{self.path}: {self._count:,} problems; correct or remove these records:"
                + "".join(f"\n  {line}" for line in self._problems)
                + more
            )

    def refused(self, reason: str) -> UserError:
        """Returns the error for a file of another layout. It names the source that reads the file, if there is one."""
        from frozenvl.data.detect import advice

        remedy = self.remedy or advice(self.path, self.content, self.layout)
        return UserError(f"{self.path}: not {self.layout} ({reason}); {remedy}")


class Record:
    """An object of an annotation file. Its methods read fields and note what is wrong with them.

    After a problem, `ok` is False and the methods return empty values, so that all problems of the file are found.
    """

    __slots__ = ("_file", "_index", "_kind", "_list", "data", "ok")

    def __init__(
        self, file: RecordFile, data: dict[str, Any], kind: str, place: str, index: int | None
    ) -> None:
        self._file, self.data, self._kind, self._list, self._index, self.ok = (
            file,
            data,
            kind,
            place,
            index,
            True,
        )

    @property
    def place(self) -> str:
        """Place of the record in the file: `annotations[3]`."""
        return self._list if self._index is None else f"{self._list or 'record '}[{self._index}]"

    @property
    def name(self) -> str:
        """Place of the record in the file, and its id: `annotations[3] (id 7)`."""
        for field in ID_FIELDS:
            if (key := as_id(self.data.get(field))) is not None:
                return f"{self.place} ({field} {key[:60]})"
        return self.place

    def problem(self, text: str) -> None:
        """Notes a problem of this record."""
        self.ok = False
        self._file.problem(f"{self.name}: {text}")

    def _wrong(self, field: str, value: Any, wanted: str) -> None:
        if value is MISSING:
            self._file.missing(self._kind, field)
            self.problem(f"has no {field!r}")
        else:
            empty = isinstance(value, str) and not value.strip()
            self.problem(f"{field!r} is {described(value)}" + ("" if empty else f", not {wanted}"))

    def withheld(self, field: str) -> bool:
        """Tells whether a field is missing, null or an empty list, as in a test set: then all records have to."""
        lacks = self.data.get(field) in (None, [])
        if lacks:
            self._file.withheld(self._kind, field, self.name)
        return lacks

    def raw(self, field: str) -> Any:
        """Returns the value of a field as it is; None if it is missing."""
        return self.data.get(field)

    def text(self, field: str, optional: bool = False, numbers: bool = False) -> str:
        """Returns a text as one line.

        Args:
            field: name of the field.
            optional: whether the field may be missing, null or empty; it is then "".
            numbers: whether a whole number is a text, as in layouts that write the answer 2 as a number.
        """
        value = self.data.get(field, MISSING)
        if isinstance(value, str):
            line = one_line(value)
            if line or optional:
                return line
        elif numbers and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        elif optional and (value is MISSING or value is None):
            return ""
        self._wrong(field, value, "a text")
        return ""

    def texts(self, field: str, optional: bool = False, numbers: bool = False) -> tuple[str, ...]:
        """Returns a text, or a list of at least one text. None of them may be empty.

        Args:
            field: name of the field.
            optional: whether all records may lack the field, as in a test set. It is then ().
            numbers: see `text`.
        """
        value = self.data.get(field, MISSING)
        if isinstance(value, str) and (line := one_line(value)):  # most records: checked first, for speed
            return (line,)
        if optional and self.withheld(field):
            return ()
        if not isinstance(value, list):
            line = self.text(field, numbers=numbers)
            return (line,) if line else ()
        lines = self._each_text(field, value, None, numbers)
        if not all(lines):
            self.problem(f"{field}[{lines.index('')}] is an empty text")
        elif not lines and self.ok:
            self.problem(f"{field!r} is an empty list")
        return lines

    def answers(
        self, field: str, key: str = "answer", optional: bool = False, numbers: bool = False
    ) -> tuple[str, ...]:
        """Returns annotators' answers: a text, a list of texts, or a list of objects with a text at `key`.

        Some may be empty, but not all. Other arguments: see `texts`.
        """
        value = self.data.get(field, MISSING)
        if optional and self.withheld(field):
            return ()
        if not isinstance(value, list):
            line = self.text(field, numbers=numbers)
            return (line,) if line else ()
        lines = self._each_text(field, value, key, numbers)
        if self.ok and not any(lines):
            self.problem("has only empty answers" if lines else f"{field!r} is an empty list")
        return lines

    def _each_text(self, field: str, values: list[Any], key: str | None, numbers: bool) -> tuple[str, ...]:
        lines = []
        for index, value in enumerate(values):
            text = value.get(key, MISSING) if key and isinstance(value, dict) else value
            if isinstance(text, str):
                lines.append(short_line(text))
            elif numbers and isinstance(text, int) and not isinstance(text, bool):
                lines.append(str(text))
            else:
                place = f"{field}[{index}]"
                self.problem(
                    f"{place} has no {key!r}"
                    if text is MISSING
                    else f"{place} is {described(text)}, not a text"
                )
        return tuple(lines)

    def id(self, field: str) -> str:
        """Returns an id as text (see `as_id`)."""
        value = self.data.get(field, MISSING)
        key = as_id(value)
        if key is None:
            self._wrong(field, value, "an id (a text or a whole number)")
        return key or ""

    def file(self, field: str) -> str:
        """Returns the name of an image file; "" if it is missing and the file need not name images."""
        name = self.data.get(field, MISSING)
        if name is MISSING and not self._file.named:
            return ""
        if isinstance(name, str) and name.strip() and "\0" not in name:
            return name.strip()
        self._wrong(field, name, "the name of a file")
        return ""

    def labels(self, *fields: str) -> dict[str, str]:
        """Returns those of the fields that the record has, as text, without null and empty ones."""
        labels = {name: one_line(str(self.data[name])) for name in fields if self.data.get(name) is not None}
        return {name: label for name, label in labels.items() if label}

    def records(self, field: str) -> Iterator[Record]:
        """Yields the records of a list inside this one."""
        value = self.data.get(field, MISSING)
        if not isinstance(value, list):
            self._wrong(field, value, "a list")
            return iter(())
        return self._file._each(value, f"{self._kind}.{field}", f"{self.place}.{field}")


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
