"""Original bytes of images, and a threaded map that keeps the order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from frozenvl.data.sources.shards import TarImage
from frozenvl.prompt import Image, ImageFile, StoredImage
from frozenvl.util.imaging import content
from frozenvl.video import Video
from frozenvl.video.clip import VideoFile

Item = TypeVar("Item")
Result = TypeVar("Result")


def original(image: Image) -> bytes | None:
    """Returns the encoded bytes of an image or a video that is a file or stored in a tar or a table; else None.

    Raises:
        UnreadableImage: if the bytes cannot be read.
    """
    if isinstance(image, Video) and isinstance(image.clip, VideoFile):
        image = image.clip.file
    if isinstance(image, ImageFile):
        return content(image.path, str(image.path))
    if isinstance(image, StoredImage):
        return image.load()
    return image.content() if isinstance(image, TarImage) else None


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields the results of `work` in the order of the items, computed a few items ahead with one thread per core."""
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
