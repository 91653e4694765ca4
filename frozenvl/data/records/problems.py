"""Collects what is wrong with the records of a file, so that one refusal names all of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from frozenvl.util.errors import UserError

MAX_NAMED = 20
"""Number of problems of a file that its refusal names."""


class Problems:
    """Problems of a file.

    Args:
        path: the file.
        layout: name of the expected layout, for messages.
        named: whether records have to name their image files. Files that are only scored need not.
    """

    def __init__(self, path: Path, layout: str = "", named: bool = True) -> None:
        self.path, self.layout, self.named = path, layout, named
        self.notes: Counter[str] = Counter()
        """What a reader leaves out or treats in a special way: note → count."""
        self.remedy_of_records = ""
        """What else to do with records that cannot be used, for messages."""
        self._named: list[str] = []
        self._count = 0
        self._seen: Counter[str] = Counter()
        self._missing: Counter[tuple[str, str]] = Counter()
        self._withheld: dict[tuple[str, str], list[str]] = {}

    def problem(self, text: str) -> None:
        """Notes a problem. `check` reports it."""
        self._count += 1
        if self._count <= MAX_NAMED:
            self._named.append(text)

    @property
    def count(self) -> int:
        """Number of problems so far."""
        return self._count

    def forgive(self, count: int) -> str:
        """Drops the problems that were noted since there were `count` of them. Returns the first; empty if none."""
        first = self._named[count] if count < len(self._named) else ""
        first = first or ("a record" if count < self._count else "")
        self._named, self._count = self._named[:count], count
        return first

    def seen(self, kind: str) -> None:
        """Counts a record of some kind."""
        self._seen[kind] += 1

    def missing(self, kind: str, field: str) -> None:
        """Notes that a record of some kind lacks a field."""
        self._missing[kind, field] += 1

    def withheld(self, kind: str, field: str, record: str) -> None:
        """Notes that a record lacks a field that test sets withhold; all records of its kind have to lack it, then."""
        self._withheld.setdefault((kind, field), []).append(record)

    def refused(self, reason: str) -> UserError:
        """Returns the error for a file of another layout."""
        return UserError(f"{self.path}: not {self.layout} ({reason})")

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
            raise UserError(f"{self.path}: {self._named[0]}; correct or remove it{self.remedy_of_records}")
        if self._count:
            more = f"\n  … and {self._count - MAX_NAMED:,} more" if self._count > MAX_NAMED else ""
            lines = "".join(f"\n  {line}" for line in self._named)
            raise UserError(
                f"{self.path}: {self._count:,} problems; correct or remove these records{self.remedy_of_records}:"
                f"{lines}{more}"
            )
