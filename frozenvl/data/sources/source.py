"""What a data set is to the rest of the house."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from frozenvl.prompt import Example


class Source(ABC):
    """A sequence of examples. A new one sets `targets_per_example` and writes the two methods."""

    targets_per_example: int | Sequence[int] = 1
    """How many texts of an example are trained on: one number for all, or one each."""

    window: int = 1
    """How many shards are mixed in training."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example: ...

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
