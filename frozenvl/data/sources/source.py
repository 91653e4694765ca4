"""Interface of data sources: a sequence of examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from frozenvl.data.order import Groups
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Source(ABC):
    """Data set as a sequence of examples. A subclass sets `targets_per_example` and implements two methods."""

    targets_per_example: int | Sequence[int] = 1
    """Number of target texts of each example: one number for all examples, or a sequence."""

    layout: ClassVar[str] = ""
    """Name of the layout that the source reads, for messages; empty if it reads no files."""

    window: int = 1
    """Number of shards whose pairs are mixed in training."""

    max_frames: int = 1
    """Largest number of frames of an image: more than 1 in sources of videos."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__getitem__" in vars(cls):
            cls.__getitem__ = checked(vars(cls)["__getitem__"])  # type: ignore[method-assign]

    @classmethod
    def recognises(cls, content: Any) -> bool:
        """Tells whether this source reads a JSON file with some content, or a text file with some text.

        Wrong arguments are then answered with it.
        """
        return False

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Tells whether this source reads a folder, or a file that `recognises` is not asked about."""
        return False

    @cached_property
    def notes(self) -> Counter[str]:
        """Records that are left out or treated in a special way: note → count. `frozenvl data check` lists them."""
        return Counter()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Example:
        """Returns the example at an index. Results of another type raise `UserError`."""

    @property
    def shard_sizes(self) -> Sequence[int]:
        """Number of pairs in each shard (consecutive pairs to be read together); without shards, one entry."""
        return [self.pairs]

    def prefetch(self, shards: Sequence[int]) -> None:  # noqa: B027 - most have nothing to fetch
        """Announces the shards that are read next, so that a remote source can fetch them in the background."""

    def image_ids(self) -> Sequence[str] | None:
        """Returns the `image_id` of each example; None if they are not known without reading the examples."""
        return None

    @cached_property
    def _ends(self) -> list[int]:
        """End of the pairs of each example (exclusive); empty if all examples have the same number of targets."""
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

    def pairs_by_image(self) -> Groups:
        """Returns the pairs of each image: of all examples with its `image_id`, or of each example if none is known.

        In a data set of several shards, an example stands for an image.
        """
        ids = self.image_ids() if len(self.shard_sizes) == 1 else None
        if ids is not None and len({*ids}) < len(ids):
            per = self.targets_per_example
            counts = np.full(len(ids), per) if isinstance(per, int) else np.asarray(per)
            number = {image: place for place, image in enumerate(dict.fromkeys(ids))}
            of_pair = np.repeat([number[image] for image in ids], counts)
            pairs = of_pair.argsort(kind="stable")
            return Groups(np.flatnonzero(np.diff(of_pair[pairs], prepend=-1)).tolist(), pairs)
        if isinstance(self.targets_per_example, int):
            return Groups(range(0, self.pairs, max(1, self.targets_per_example)))
        return Groups([start for start, end in pairwise([0, *self._ends]) if end > start])

    def why_no_pairs(self) -> str:
        """Returns why a source without pairs has none, and what to do. It follows the name of a task in messages."""
        if not len(self):
            return "its source is empty"
        return f"none of its {len(self):,} examples has a text to train on; give a source with captions or answers"

    def pair(self, index: int) -> tuple[int, int]:
        """Returns (index of the example, index of its target text) of the pair at `index`."""
        if isinstance(self.targets_per_example, int):
            return divmod(index, self.targets_per_example)
        example = bisect_right(self._ends, index)
        return example, index - (self._ends[example - 1] if example else 0)


def checked(getitem: Callable[[Any, int], Example]) -> Callable[[Any, int], Example]:
    """Wraps a source's `__getitem__`: a failure or a result that is no valid `Example` raises `UserError`.

    The message names the class and the index. `IndexError` passes, because it ends an iteration.
    """

    @wraps(getitem)
    def example_at(source: Any, index: int) -> Example:
        try:
            example = getitem(source, index)
        except (UserError, IndexError, OSError, MemoryError):
            raise
        except Exception as error:
            raise UserError(f"{_place(source, index)} raises {type(error).__name__}: {error}") from error
        if not isinstance(example, Example):
            raise UserError(
                f"{_place(source, index)} is {example!r:.60}; its __getitem__ has to return a "
                "frozenvl.prompt.Example for every index"
            )
        if field := _not_text(example):
            raise UserError(f"{_place(source, index)} has {field}; every text of an Example is a str")
        return example

    return example_at


def _place(source: Any, index: int) -> str:
    kind = type(source)
    return f"{kind.__module__}.{kind.__qualname__}: example {index}"


def _not_text(example: Example) -> str:
    """Returns the first field of an example that holds something else than text; empty if there is none."""
    if not isinstance(example.references, tuple):
        return f"references that are {example.references!r:.40}, not a tuple of texts"
    for name, text in (("id", example.id), ("question", example.question), ("answer", example.answer)):
        if not isinstance(text, str):
            return f"{name} {text!r:.40}"
    for text in example.references:
        if not isinstance(text, str):
            return f"a reference {text!r:.40}"
    return ""
