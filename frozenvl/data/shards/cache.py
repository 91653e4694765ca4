"""Disk cache of remote shards, of bounded size and shared by the processes of a machine."""

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
    """Folder of cached shards with least-recently-used eviction. Files that are being written count too.

    Args:
        folder: cache folder.
        max_bytes: maximum total size, in bytes.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes

    def lock(self, name: str) -> Any:
        """Returns the lock between processes of that name (a key, or "room" for evictions)."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f"{name}.lock")

    def find(self, key: str, size: int | None) -> BinaryIO | None:
        """Opens the file of a key and marks it as used. Returns None if there is none or its size differs."""
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
        """Waits until there is room for `size` bytes, then creates an empty temporary file and returns its path.

        Args:
            key: key of the file. The caller holds its lock until the file is kept or removed.
            name: name of the file in error lines.
            size: size in bytes; None if it is not known yet.

        Raises:
            UserError: if the file is larger than the cache may be.
            RunError: if the file cannot be written.
        """
        size = size or 0
        self._check(name, size)
        temporary = self.folder / f"{key}.{size}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            for stale in self.folder.glob(f"{key}.*.tmp"):
                stale.unlink(missing_ok=True)  # left by a killed process: the caller holds the key's lock
            while True:
                with self.lock("room"):
                    if self._make_room(size):
                        temporary.touch(exist_ok=False)
                        return temporary
                time.sleep(0.05)  # files that others are writing can be evicted once they are complete
        except OSError as error:
            raise cannot_write(self.folder, error) from None

    def keep(self, key: str, name: str, temporary: Path) -> BinaryIO:
        """Moves a complete temporary file into the cache and opens it, so that it stays readable if evicted."""
        try:
            self._check(name, temporary.stat().st_size)
        except UserError:
            temporary.unlink()
            raise
        file = temporary.open("rb")
        temporary.replace(self.folder / f"{key}.shard")
        with self.lock("room"):  # its size may have been unknown before
            self._make_room(0)
        return file

    def _check(self, name: str, size: int) -> None:
        if size > self.max_bytes:
            raise UserError(
                f"{name}: {size} bytes, more than the cache may hold ({self.max_bytes}); raise its bound"
            )

    def _make_room(self, size: int) -> bool:
        """Evicts the least recently used shards until `size` more bytes fit; returns whether they do."""
        from filelock import Timeout

        files = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # renamed or removed meanwhile
                stat = path.stat()
                if path.suffix == ".shard":
                    size += stat.st_size
                    files.append((stat.st_mtime_ns, stat.st_size, path))
                elif temporary := _TEMPORARY.fullmatch(path.name):
                    try:
                        with self.lock(temporary[1]).acquire(timeout=0):
                            path.unlink()  # left by a killed process: nobody holds its lock
                    except Timeout:
                        size += max(int(temporary[2]), stat.st_size)
        for _, file_size, path in sorted(files):
            if size <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            size -= file_size
        return size <= self.max_bytes


def touch(descriptor: int) -> None:
    """Sets the modification time of an open file to now, which marks it as recently used."""
    with suppress(OSError):  # another user owns the file
        os.utime(descriptor)
