"""A compact sequence for millions of small rows."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np


class Packed(Sequence[Any]):
    """Sequence of rows of plain values (text, numbers, tuples of these), pickled into one block of bytes.

    Forked data loader workers share the block. Python objects would be copied page by page, because reading them
    changes their reference counts.

    Args:
        rows: rows to store.
    """

    def __init__(self, rows: Iterable[Any]) -> None:
        block, ends = bytearray(), array("q", [0])
        for row in rows:
            block += pickle.dumps(row, protocol=pickle.HIGHEST_PROTOCOL)
            ends.append(len(block))
        self._block, self._ends = bytes(block), np.array(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        row = range(len(self))[index]
        return pickle.loads(memoryview(self._block)[self._ends[row] : self._ends[row + 1]])


class PackedTable(Packed):
    """Packed rows with names for their fields. It has the methods of `RowTable`.

    Args:
        rows: rows to store, as tuples.
        names: names of the fields.
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]], names: Sequence[str]) -> None:
        super().__init__(rows)
        self._names = tuple(names)

    def column(self, name: str) -> Iterator[Any]:
        """Yields the value of a field in each row."""
        at = self._names.index(name)
        return (row[at] for row in self)

    def sizes(self, name: str) -> np.ndarray:
        """Returns the length of a field's value in each row: (rows,), int64."""
        return np.fromiter(map(len, self.column(name)), np.int64, len(self))
