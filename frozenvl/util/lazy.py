"""Sequences whose items are computed on access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class LazySequence(Sequence[T]):
    """Sequence whose items are computed on each access, and not stored.

    Args:
        size: number of items.
        make: function from index to item.
    """

    def __init__(self, size: int, make: Callable[[int], T]) -> None:
        self.size, self.make = size, make

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self.make(place) for place in range(self.size)[index]]
        return self.make(range(self.size)[index])
