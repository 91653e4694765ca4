"""Hashes of files' content, remembered until a file changes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from frozenvl.pretrained.zoo import home

SETTLED_NS = 2 * 10**9
"""Age, in nanoseconds, from which a file's hash is remembered. A file system may not notice a second change before."""


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's content, as hex digits.

    Hashes are remembered in the project's cache folder by absolute path, size, times of change and inode, so a file is
    read once. If the cache cannot be used, the file is read each time.

    Raises:
        OSError: if the file cannot be read.
    """
    path = path.absolute()
    state = _state(path.stat())
    if (known := _recalled(path, state)) is not None:
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    if _state(after) == state and time.time_ns() - after.st_mtime_ns > SETTLED_NS:
        _remember(path, state, digest)
    return digest


def _state(found: os.stat_result) -> str:
    """Returns what differs after a change of a file. The time of its inode differs even if its own time was reset."""
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _store() -> sqlite3.Connection:
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(folder / "hashes.sqlite", timeout=30)
    store.execute(
        "CREATE TABLE IF NOT EXISTS hashes (path BLOB PRIMARY KEY, state TEXT, hash TEXT) WITHOUT ROWID"
    )
    return store


def _recalled(path: Path, state: str) -> str | None:
    try:
        with closing(_store()) as store:
            found = store.execute(
                "SELECT hash FROM hashes WHERE path = ? AND state = ?", (os.fsencode(path), state)
            )
            row = found.fetchone()
    except (OSError, sqlite3.Error):
        return None
    return row[0] if row else None


def _remember(path: Path, state: str, digest: str) -> None:
    try:
        with closing(_store()) as store, store:
            store.execute("REPLACE INTO hashes VALUES (?, ?, ?)", (os.fsencode(path), state, digest))
    except (OSError, sqlite3.Error):  # a cache that cannot be written: the file is hashed again next time
        pass
