"""Claims of work by name among processes: a process that ends, or is killed, loses its claims."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path


class Claims:
    """Claims of names, as locks of single bytes of one file, which stays empty.

    The locks are POSIX record locks: they belong to a process, not to a thread. On a file system without them every
    claim is granted, so that two processes may do the same work.

    Args:
        path: lock file, which all processes share.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._process = 0

    def take(self, names: Iterable[str], most: int) -> list[str]:
        """Claims up to `most` of the names, the first ones that no other process has claimed. Returns them."""
        taken: list[str] = []
        for name in names:
            if len(taken) == most:
                break
            if self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, name):
                taken.append(name)
        return taken

    def release(self, names: Iterable[str]) -> None:
        """Gives claims back."""
        for name in names:
            self._lock(fcntl.LOCK_UN, name)

    def _lock(self, operation: int, name: str) -> bool:
        place = int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "little")
        try:
            fcntl.lockf(self._open(), operation, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _open(self) -> int:
        if self._file is None or self._process != os.getpid():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file, self._process = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), os.getpid()
        return self._file

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_file": None}
