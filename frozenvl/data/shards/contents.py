"""What lies in the files that images come from; and work on many, in order, with a few threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from frozenvl.data.sources.shards import TarImage
from frozenvl.prompt import Image, ImageFile
from frozenvl.util.imaging import content

Item = TypeVar("Item")
Result = TypeVar("Result")


def original(image: Image) -> bytes | None:
    """The bytes of the file, or of the member of a tar, that an image is; None where it is neither.

    Raises:
        UnreadableImage: where they cannot be had.
    """
    if isinstance(image, ImageFile):
        return content(image.path, str(image.path))
    return image.content() if isinstance(image, TarImage) else None


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results in the order of the items; a few items are worked on ahead, one thread a core."""
    threads = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 4 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
