"""Digests of images: computed in threads and remembered on disk, so that a later run need not read the files."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from frozenvl.model.vision.feature_store import pieces
from frozenvl.pretrained.zoo import home
from frozenvl.prompt import Image, ImageFile
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.files import write_atomically

UNSAVED = 16_384
"""Number of new digests that are saved together. A killed run loses fewer; it reads these files again."""
MOST_FILES = 8
"""Number of files in the folder above which they are merged."""
SETTLED = 2_000_000_000
"""Age in ns from which a file's modification time tells its content: a file may change twice within one clock tick."""
TOGETHER = 64
"""Number of images that a thread hashes at a time."""
ENTRY = 32
"""Bytes of an entry: 16 of the key (path, size, modification time, inode) and 16 of the digest."""


KNOWN = b""
"""Stands for the key of a file whose digest is known."""


class Saved(NamedTuple):
    """Entries of a file, sorted by the first half of the key. All arrays are memory-mapped and have shape (n,)."""

    keys: np.ndarray
    """First halves of the keys, uint64, ascending."""
    checks: np.ndarray
    """Second halves of the keys, uint64."""
    digests: np.ndarray
    """Digests, 16 bytes each."""


class RememberedDigests:
    """Digests of images. Those of files are remembered by path, size, modification time and inode.

    The folder holds files that are only ever added whole, or merged into one, so that several processes may share it.

    Args:
        folder: folder of the remembered digests; by default `digests` in the project's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "digests"
        self._new: dict[bytes, bytes] = {}
        self._saved = [opened for path in self._files() if (opened := entries(path)) is not None]

    def of(self, images: Iterable[Image]) -> dict[Image, str]:
        """Returns the digest of each image that can be read. Those that are not remembered are computed in threads."""
        known: dict[Image, str] = {}
        unknown: dict[Image, bytes | None] = {}
        for image in dict.fromkeys(images):
            key = self._recall(image.origin) if isinstance(image.origin, ImageFile) else None
            if key == KNOWN:
                known[image] = image.digest
            else:
                unknown[image] = key
        size = max(1, min(TOGETHER, len(unknown) // threads()))
        with ThreadPoolExecutor(threads()) as pool:
            for part in pool.map(digests_of, pieces(list(unknown), size)) if unknown else ():
                known.update(part)
                for image in part:
                    if key := unknown[image]:
                        self._new[key] = bytes.fromhex(image.origin.digest)
        if len(self._new) >= UNSAVED:
            self.save()
        return known

    def _recall(self, file: ImageFile) -> bytes | None:
        """Sets the digest of a file from memory and returns `KNOWN`; else the key to remember it by, if any."""
        if "digest" in vars(file):
            return KNOWN
        try:
            status = file.path.stat()
        except OSError:
            return None
        told = f"{file.path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}"
        key = blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        if (digest := self._find(key)) is not None:
            file.set_digest(digest.hex())
            return KNOWN
        return key if time.time_ns() - status.st_mtime_ns > SETTLED else None

    def _find(self, key: bytes) -> bytes | None:
        if key in self._new:
            return self._new[key]
        first, check = np.frombuffer(key, "<u8")
        for saved in self._saved:
            place = int(np.searchsorted(saved.keys, first))
            if place < len(saved.keys) and saved.keys[place] == first and saved.checks[place] == check:
                return bytes(saved.digests[place])
        return None

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
    return Saved(
        data[: 8 * size].view("<u8"), data[8 * size : 16 * size].view("<u8"), data[16 * size :].view("V16")
    )


def digests_of(images: list[Image]) -> dict[Image, str]:
    """Returns the digest of each image that can be read. The others are reported when their samples are loaded."""
    digests = {}
    for image in images:
        with suppress(UnreadableImage):
            digests[image] = image.digest
    return digests


def threads() -> int:
    """Returns the number of threads that read image files at once."""
    return min(16, 2 * len(os.sched_getaffinity(0)))
