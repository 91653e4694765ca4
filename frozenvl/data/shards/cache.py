"""The folder in which remote shards are kept: bounded, and shared by the processes of a machine."""

from __future__ import annotations

import os
import re
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from frozenvl.util.errors import UserError
from frozenvl.util.files import cannot_write

_TEMPORARY = re.compile(r"([0-9a-f]{32})\.(\d+)\.[0-9a-f]{8}\.tmp")  # key, bytes reserved


class ShardCache:
    """A folder of files, up to a number of bytes; those written right now count as well."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes

    def lock(self, name: str) -> Any:
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{name}.lock")

    def find(self, key: str, size: int | None) -> BinaryIO | None:
        """The file of that key, opened; None where there is none, or one of another size."""
        try:
            file = (self.folder / f"{key}.shard").open("rb")
        except FileNotFoundError:
            return None
        if size not in (None, os.fstat(file.fileno()).st_size):
            file.close()
            return None
        touch(file.fileno())
        return file

    def place(self, key: str, name: str, size: int | None) -> Path:
        """A new empty file for so many bytes, once there is room.

        Args:
            key: whose lock the caller holds until the file is kept or removed.
            name: what a person calls it.
            size: None where it is not known yet.

        Raises:
            UserError: it is larger than the cache may be.
            RunError: it cannot be written.
        """
        size = size or 0
        self._check(name, size)
        temporary = self.folder / f"{key}.{size}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            for left in self.folder.glob(f"{key}.*.tmp"):
                left.unlink(missing_ok=True)  # of a process that was killed: its lock is the caller's now
            while True:
                with self.lock("room"):
                    if self._make_room(size):
                        temporary.touch(exist_ok=False)
                        return temporary
                time.sleep(0.05)  # others are writing: what they write can be evicted once it is whole
        except OSError as error:
            raise cannot_write(self.folder, error) from None

    def keep(self, key: str, name: str, temporary: Path) -> BinaryIO:
        """Gives a file that is whole its name, and returns it opened: it can be read whatever others evict."""
        try:
            self._check(name, temporary.stat().st_size)
        except UserError:
            temporary.unlink()
            raise
        file = temporary.open("rb")
        temporary.replace(self.folder / f"{key}.shard")
        with self.lock("room"):  # its size may not have been known before
            self._make_room(0)
        return file

    def _check(self, name: str, size: int) -> None:
        if size > self.max_bytes:
            raise UserError(
                f"{name}: {size} bytes, more than the cache may hold ({self.max_bytes}); raise its bound"
            )

    def _make_room(self, size: int) -> bool:
        from filelock import Timeout

        files = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # renamed or removed meanwhile
                found = path.stat()
                if path.suffix == ".shard":
                    size += found.st_size
                    files.append((found.st_mtime_ns, found.st_size, path))
                elif mine := _TEMPORARY.fullmatch(path.name):
                    try:
                        with self.lock(mine[1]).acquire(timeout=0):
                            path.unlink()  # of a process that was killed: nobody holds its lock
                    except Timeout:
                        size += max(int(mine[2]), found.st_size)
        for _, freed, path in sorted(files):
            if size <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            size -= freed
        return size <= self.max_bytes


def touch(descriptor: int) -> None:
    """Marks an open file as used now."""
    with suppress(OSError):  # somebody else's file: it cannot be marked as used
        os.utime(descriptor)
