"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory for reuse. Does nothing on systems other than Linux.

    Each step allocates the same large tensors again; by default glibc returns them to the system and pays for every
    page fault. Measured: an encoder pass takes 9 ms an image in place of 12; a training step is not faster.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
