"""Many small rows in little memory."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np


class Packed(Sequence[Any]):
    """Rows of plain values (text, numbers, tuples of them), each rebuilt when asked for.

    They lie in one block of bytes. Forked workers share it; Python objects they would copy, page by page, as
    soon as they count references to them.
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
        place = range(len(self))[index]
        return pickle.loads(memoryview(self._block)[self._ends[place] : self._ends[place + 1]])
