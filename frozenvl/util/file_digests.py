"""Digests of files' content, remembered on disk until a file changes, so that a later run need not read the files."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from frozenvl.pretrained.zoo import home
from frozenvl.util.errors import RunError
from frozenvl.util.files import write_atomically

UNSAVED = 16_384
"""Number of new digests that are saved together. A killed run loses fewer; it reads these files again."""
MOST_FILES = 8
"""Number of files in the folder above which they are merged."""
SETTLED = 2_000_000_000
"""Age in ns from which a file's modification time tells its content: a file may change twice within one clock tick."""
ENTRY = 32
"""Bytes of an entry: 16 of the key (path, size, times of change, inode) and 16 of the digest."""


class Saved(NamedTuple):
    """Entries of a file, sorted by the first half of the key. All arrays are memory-mapped and have shape (n,)."""

    keys: np.ndarray
    """First halves of the keys, uint64, ascending."""
    checks: np.ndarray
    """Second halves of the keys, uint64."""
    digests: np.ndarray
    """Digests, 16 bytes each."""


class FileDigests:
    """Digests of files, by path, size, times of change and inode.

    The folder holds files that are only ever added whole, or merged into one, so that several processes may share it.

    Args:
        folder: folder of the remembered digests; by default `digests` in the project's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "digests"
        self._new: dict[bytes, bytes] = {}
        self._saved = [opened for path in self._files() if (opened := entries(path)) is not None]

    def find(self, key: bytes) -> str | None:
        """Returns the digest, as 32 hex digits, that is remembered by a key of `key_of`; None if there is none."""
        if key in self._new:
            return self._new[key].hex()
        first, check = np.frombuffer(key, "<u8")
        for saved in self._saved:
            place = int(np.searchsorted(saved.keys, first))
            if place < len(saved.keys) and saved.keys[place] == first and saved.checks[place] == check:
                return bytes(saved.digests[place]).hex()
        return None

    def remember(self, key: bytes, digest: str) -> None:
        """Remembers a digest. `save` writes it to the folder."""
        self._new[key] = bytes.fromhex(digest)

    def save_many(self) -> None:
        """Writes the new digests to the folder if there are many."""
        if len(self._new) >= UNSAVED:
            self.save()

    def save(self) -> None:
        """Writes the new digests to the folder."""
        if self._new:
            keys = np.frombuffer(b"".join(self._new), "<u8").reshape(-1, 2)
            digests = np.frombuffer(b"".join(self._new.values()), "V16")
            self._saved.append(self._write(Saved(keys[:, 0], keys[:, 1], digests)))
            self._new = {}
        files = self._files()
        if len(files) > MOST_FILES:
            read = [opened for path in files if (opened := entries(path)) is not None]
            self._saved = [self._write(Saved(*(np.concatenate(parts) for parts in zip(*read, strict=True))))]
            for path in files:
                path.unlink(missing_ok=True)

    def _write(self, unsorted: Saved) -> Saved:
        _, order = np.unique(np.stack(unsorted[:2]), axis=1, return_index=True)
        made = Saved(*(column[order] for column in unsorted))
        write_atomically(
            self.folder / f"{uuid.uuid4().hex}.digests", b"".join(column.tobytes() for column in made)
        )
        return made

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.digests"))


def entries(path: Path) -> Saved | None:
    """Returns the memory-mapped entries of a file; None if another process has merged it meanwhile."""
    try:
        data = np.memmap(path, np.uint8, "r")
    except (FileNotFoundError, ValueError):
        return None
    size = len(data) // ENTRY
    keys, checks, digests = data[: 8 * size], data[8 * size : 16 * size], data[16 * size : 32 * size]
    return Saved(keys.view("<u8"), checks.view("<u8"), digests.view("V16"))


def key_of(path: Path, status: os.stat_result) -> bytes:
    """Returns what differs after a change of a file, as 16 bytes.

    The time of its inode differs even if its own time was reset.
    """
    times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
    told = f"{path.absolute()}\0{status.st_size}\0{times}\0{status.st_ino}"
    return hashlib.blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def is_settled(status: os.stat_result) -> bool:
    """Returns whether a file is so old that its modification time tells of a further change."""
    return time.time_ns() - status.st_mtime_ns > SETTLED


def content_hash(path: Path) -> str:
    """Returns the beginning of the SHA-256 of a file's content, as 32 hex digits. An unchanged file is read once.

    If the cache folder cannot be used, the file is read each time.

    Raises:
        OSError: if the file cannot be read.
    """
    known, status = FileDigests(), path.stat()
    if (digest := known.find(key := key_of(path, status))) is not None:
        return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        after = os.fstat(file.fileno())
    if key_of(path, after) == key and is_settled(after):
        known.remember(key, digest)
        with suppress(RunError):  # a cache that cannot be written
            known.save()
    return digest
