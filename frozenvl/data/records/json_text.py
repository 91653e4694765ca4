"""Parses JSON value by value while its text is read piece by piece."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from json import JSONDecoder
from typing import Any, BinaryIO

CHUNK = 1 << 20
"""Number of bytes that are read at a time."""

_NUMBER_END = 3
"""Number of characters behind a number by which it is whole: it goes on with "e+" and a digit."""
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonText:
    """Part of a JSON text that is in memory, and the place in it.

    Args:
        file: file in UTF-8, at a place where a character begins.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._ended = "", 0, False
        self._scan = JSONDecoder().scan_once  # type: ignore[attr-defined]

    def _fill(self) -> bool:
        """Reads on, at least as much as is unread in memory; returns whether there was anything."""
        data = b"" if self._ended else self._file.read(max(CHUNK, len(self._text) - self._at))
        self._ended = not data
        self._text = self._text[self._at :] + self._decoder.decode(data, final=self._ended)
        self._at = 0
        return not self._ended

    @property
    def byte(self) -> int:
        """Place in the file, in bytes."""
        undecoded = len(self._decoder.getstate()[0])
        return self._file.tell() - undecoded - len(self._text[self._at :].encode())

    def next(self) -> str:
        """Returns the next character that is no white space, and stays before it; "" at the end of the file."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def take(self, character: str) -> bool:
        """Passes a character if it is the next one; returns whether it was."""
        found = self.next() == character
        self._at += found
        return found

    def value(self) -> Any:
        """Passes a value and returns it. Raises `ValueError` if there is none."""
        if not self._text.startswith("{", self._at):
            self.next()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
                if end + _NUMBER_END <= len(self._text) or self._ended:
                    self._at = end
                    return value
            except (StopIteration, ValueError):
                if self._ended:
                    raise ValueError("no JSON value") from None
            self._fill()

    def entries(self) -> Iterator[Any]:
        """Passes the rest of a list whose opening bracket was passed; yields its entries.

        Raises:
            ValueError: if it is no valid JSON.
        """
        if self.take("]"):
            return
        while True:
            yield self.value()
            # Most lists have one of these between two entries. This is a third faster than to look for white space.
            if self._text.startswith(", {", self._at):
                self._at += 2
            elif self._text.startswith(",{", self._at):
                self._at += 1
            elif self.take("]"):
                return
            elif not self.take(","):
                raise ValueError("no comma between entries")
