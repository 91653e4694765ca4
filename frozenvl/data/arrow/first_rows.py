"""The first rows of a data set, read in passing: only what holds them is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder


def can_stream(builder: DatasetBuilder) -> bool:
    """Tells whether a data set can be read in passing; one that only the library's cache has is there whole."""
    from datasets.packaged_modules.cache.cache import Cache

    return not isinstance(builder, Cache)


def first_rows(datasets: Any, builder: DatasetBuilder, splits: list[str], count: int) -> Dataset:
    """Reads the first rows and stores them as an Arrow file in the cache of `datasets`, where the next call finds them.

    Args:
        datasets: the library.
        builder: what reads the data set.
        splits: splits to read, one after the other.
        count: number of rows; fewer if the splits end before.
    """
    streams = builder.as_streaming_dataset()
    # Images stay the bytes that they are.
    parts = [streams[name].decode(False) for name in splits]
    features = parts[0].features
    # The cache's folder of a data set is named after its files, their versions and its configuration.
    address = hashlib.sha256(f"{builder.cache_dir} {'+'.join(splits)} {count}".encode()).hexdigest()[:16]
    return datasets.Dataset.from_generator(
        _rows, features=features, gen_kwargs={"parts": tuple(parts), "count": count}, fingerprint=address
    )


def _rows(parts: Iterable[Iterable[dict]], count: int) -> Iterator[dict]:
    return islice(chain.from_iterable(parts), count)


def check_first(first: int | None) -> None:
    """Raises `UserError` if the number of rows is not at least 1."""
    if first is not None and first < 1:
        raise UserError(f"first is {first}; it is a number of rows, at least 1")
