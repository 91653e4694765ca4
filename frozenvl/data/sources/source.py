"""The interface of data sets: a sequence of examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from itertools import accumulate
from typing import Any

from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Source(ABC):
    """A sequence of examples. A new one sets `targets_per_example` and writes the two methods."""

    targets_per_example: int | Sequence[int] = 1
    """How many texts of an example are trained on: one number for all, or one each."""

    window: int = 1
    """How many shards are mixed in training."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__getitem__" in vars(cls):
            cls.__getitem__ = checked(vars(cls)["__getitem__"])  # type: ignore[method-assign]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example:
        """The example at an index; another type of result is refused."""

    @property
    def shard_sizes(self) -> Sequence[int]:
        """Pairs in each of its consecutive shards, which are better read together; without shards, all in one."""
        return [self.pairs]

    def prefetch(self, shards: Sequence[int]) -> None:  # noqa: B027 - most have nothing to fetch
        """These are read next: a source that has to fetch them may begin."""

    def image_ids(self) -> Sequence[str] | None:
        """`image_id` of each example, where that is known without reading images."""
        return None

    @cached_property
    def _ends(self) -> list[int]:
        return (
            list(accumulate(self.targets_per_example))
            if not isinstance(self.targets_per_example, int)
            else []
        )

    @property
    def pairs(self) -> int:
        """Number of (image, text) pairs."""
        if isinstance(self.targets_per_example, int):
            return len(self) * self.targets_per_example
        return self._ends[-1] if self._ends else 0

    def pair(self, index: int) -> tuple[int, int]:
        """(example, which of its texts) of the pair at `index`."""
        if isinstance(self.targets_per_example, int):
            return divmod(index, self.targets_per_example)
        example = bisect_right(self._ends, index)
        return example, index - (self._ends[example - 1] if example else 0)


def checked(getitem: Callable[[Any, int], Example]) -> Callable[[Any, int], Example]:
    """A source's `__getitem__`, whose result is an example.

    Raises:
        UserError: it is anything else, such as None.
    """

    @wraps(getitem)
    def example_at(source: Any, index: int) -> Example:
        example = getitem(source, index)
        if not isinstance(example, Example):
            kind = type(source)
            raise UserError(
                f"{kind.__module__}.{kind.__qualname__}: example {index} is {example!r:.60}; its __getitem__ has to "
                "return a frozenvl.prompt.Example for every index"
            )
        return example

    return example_at
