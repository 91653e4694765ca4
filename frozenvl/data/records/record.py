"""A record of an annotation file, whose methods read its fields and note what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from frozenvl.data.records.problems import Problems
from frozenvl.data.records.values import MISSING, as_id, described, one_line, short_line, whole_text

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


class Record:
    """An object of an annotation file. Its methods read fields and note what is wrong with them.

    After a problem, `ok` is False and the methods return empty values, so that all problems of the file are found.
    """

    __slots__ = ("_file", "_index", "_kind", "_list", "_noted", "data", "ok")

    def __init__(
        self, file: Problems, data: dict[str, Any], kind: str, place: str, index: int | None
    ) -> None:
        self._file, self.data, self._kind, self._list, self._index = file, data, kind, place, index
        self.ok = True
        self._noted: tuple[str, ...] = ()

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
        if field in self._noted:  # read twice, as id and as file
            return
        self._noted = (*self._noted, field)
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

    def whole_text(self, field: str) -> str:
        """Returns a text with its line breaks, without white space at its ends."""
        value = self.data.get(field, MISSING)
        if isinstance(value, str) and (text := whole_text(value)):
            return text
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
        try:  # most records: objects with a text, tried first, for speed
            lines = tuple([short_line(each[key]) for each in value])
        except (TypeError, LookupError, AttributeError):
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

    def files(self, field: str) -> tuple[str, ...]:
        """Returns the names of image files: a name, a list of names, or () if the field is missing or null."""
        names = self.data.get(field)
        if names is None:
            return ()
        if isinstance(names, str):
            return (self.file(field),)
        if not isinstance(names, list):
            self._wrong(field, names, "the name of a file, or a list of names")
            return ()
        for index, name in enumerate(names):
            if not (isinstance(name, str) and name.strip() and "\0" not in name):
                self.problem(f"{field}[{index}] is {described(name)}, not the name of a file")
                return ()
        return tuple(name.strip() for name in names)

    def labels(self, *fields: str) -> dict[str, str]:
        """Returns those of the fields that the record has, as text, without null and empty ones."""
        labels = {
            name: short_line(str(self.data[name])) for name in fields if self.data.get(name) is not None
        }
        return {name: label for name, label in labels.items() if label}

    def records(self, field: str) -> Iterator[Record]:
        """Yields the records of a list inside this one."""
        value = self.data.get(field, MISSING)
        if not isinstance(value, list):
            self._wrong(field, value, "a list")
            return iter(())
        return records_of(self._file, value, f"{self._kind}.{field}", f"{self.place}.{field}")


def records_of(
    file: Problems, rows: Iterable[Any], kind: str, place: str, keyed: bool = False
) -> Iterator[Record]:
    """Yields the records of a list. Entries that are no objects are problems.

    Args:
        file: the file of the list.
        rows: the list.
        kind: name of all lists of this kind, such as "images.sentences".
        place: name of this list, or of its only record if that is `keyed`.
        keyed: whether the record is the value of a key, and not an entry of a list.
    """
    for index, data in enumerate(rows):
        file.seen(kind)
        record = Record(file, data, kind, place, None if keyed else index)
        if isinstance(data, dict):
            yield record
        else:
            file.problem(f"{record.place} is {described(data)}, not an object")
