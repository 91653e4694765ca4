"""Buffer of decoded frames: the sampled frames of a clip are decoded in one pass and handed out one by one."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import PIL.Image

LIMIT = 2**28
"""Largest size of the frames that wait to be read, in bytes of pixels. The oldest clips are dropped first."""
LOCKS = 64


class Decodes(Protocol):
    """A clip whose frames can be decoded together."""

    def decode(self, indices: Sequence[int]) -> dict[int, PIL.Image.Image]: ...

    def __hash__(self) -> int: ...


class FrameBuffer:
    """Hands out decoded frames once each. Several threads may ask for frames of one clip; one of them decodes.

    Args:
        limit: largest size of the waiting frames, in bytes of pixels.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        """Drops all frames."""
        self._lock = threading.Lock()
        self._clip_locks = [threading.Lock() for _ in range(LOCKS)]
        self._waiting: OrderedDict[Decodes, dict[int, PIL.Image.Image]] = OrderedDict()
        self._bytes = 0

    def take(self, clip: Decodes, index: int, group: Sequence[int]) -> PIL.Image.Image:
        """Returns a frame. If it does not wait in the buffer, all frames of its group are decoded in one pass.

        Args:
            clip: the clip.
            index: index of the frame in the clip.
            group: indices of the frames that are likely to be read next.

        Raises:
            UnreadableImage: if a frame of the group cannot be decoded.
        """
        with self._clip_locks[hash(clip) % LOCKS]:
            if (picture := self._pop(clip, index)) is not None:
                return picture
            decoded = clip.decode(group if index in group else [index])
            picture = decoded.pop(index)
            self._put(clip, decoded)
            return picture

    def _pop(self, clip: Decodes, index: int) -> PIL.Image.Image | None:
        with self._lock:
            frames = self._waiting.get(clip, {})
            picture = frames.pop(index, None)
            if picture is not None:
                self._bytes -= size_of(picture)
            if not frames:
                self._waiting.pop(clip, None)
            return picture

    def _put(self, clip: Decodes, frames: dict[int, PIL.Image.Image]) -> None:
        with self._lock:
            self._drop(clip)
            if frames:
                self._waiting[clip] = frames
                self._bytes += sum(map(size_of, frames.values()))
            while self._bytes > self.limit:
                self._drop(next(iter(self._waiting)))

    def _drop(self, clip: Decodes) -> None:
        self._bytes -= sum(map(size_of, self._waiting.pop(clip, {}).values()))


def size_of(picture: PIL.Image.Image) -> int:
    """Returns the size of an RGB picture's pixels, in bytes."""
    return 3 * picture.width * picture.height


BUFFER = FrameBuffer()
"""The buffer of this process. A process that is forked begins with an empty one."""
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=BUFFER.reset)
