"""Index of tars: one memory-mapped file, which opens in no time and is shared by processes.

Layout: for each tar its rows (`scan.ROW`) and its concatenated keys; then JSON with the position of these; then the
length of the JSON (8 bytes, little-endian) and `MAGIC`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from pathlib import Path, PurePosixPath

import numpy as np

from frozenvl.data.shards.download import shown
from frozenvl.data.shards.scan import ROW, scan
from frozenvl.data.shards.store import ShardStore, is_local
from frozenvl.util.errors import UserError
from frozenvl.util.files import whole_file

MAGIC = b"FVLINDX1"


@dataclass(frozen=True)
class Shard:
    """Entry of one tar in an index."""

    name: str
    """File name without folder."""
    size: int
    """Size of the tar, in bytes."""
    mtime_ns: int | None
    """Modification time of a local file, in nanoseconds; None if remote."""
    sha256: str | None
    """Checksum in hex, if known."""
    rows: int
    """Number of samples."""
    pairs: int
    """Number of (image, text) pairs."""
    most_texts: int
    """Largest number of texts of one sample."""
    coco: int
    """Number of samples whose photograph is known to be COCO's."""
    at: int
    """Offset of its rows in the index, in bytes."""
    key_bytes: int
    notes: dict[str, int]
    """Oddities found in the tar: kind → count."""


class TarIndex:
    """An open index. Unpickling opens its file again.

    Args:
        path: index file.

    Raises:
        UserError: if there is no such file, or it is not an index.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                file.seek(-16, os.SEEK_END)
                tail = file.read()
                length = int.from_bytes(tail[:8], "little")
                if tail[8:] != MAGIC:
                    raise ValueError
                file.seek(-16 - length, os.SEEK_END)
                self.shards = tuple(Shard(**shard) for shard in json.loads(file.read(length))["shards"])
                self._map = mmap(file.fileno(), 0, access=ACCESS_READ)
            self._bytes = np.frombuffer(self._map, np.uint8)
        except FileNotFoundError:
            raise UserError(f"{path}: no such index; make it with `frozenvl data index`") from None
        except (OSError, ValueError, TypeError, KeyError):
            raise UserError(
                f"{path}: not an index of this version; make it again with `frozenvl data index`"
            ) from None

    def __reduce__(self) -> tuple[type[TarIndex], tuple[Path]]:
        return TarIndex, (self.path,)

    def rows(self, shard: Shard) -> np.ndarray:
        """Returns the rows of a shard, of type `scan.ROW`: a view of the file, not a copy."""
        return self._bytes[shard.at : shard.at + shard.rows * ROW.itemsize].view(ROW)

    def release(self) -> None:
        """Releases the pages read so far from this process's memory. The page cache still holds them."""
        self._map.madvise(MADV_DONTNEED)

    def key(self, shard: Shard, row: int) -> str:
        """Returns the key of a sample."""
        ends = self.rows(shard)["key_end"]
        keys = shard.at + shard.rows * ROW.itemsize
        start = int(ends[row - 1]) if row else 0
        return self._bytes[keys + start : keys + int(ends[row])].tobytes().decode()


def build_index(
    path: Path,
    urls: Sequence[str],
    store: ShardStore,
    checksums: Sequence[str | None] | None = None,
    allow_broken: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> TarIndex:
    """Reads all tars once and writes their index atomically.

    Args:
        path: index file to write.
        urls: paths or URLs of the tars.
        store: store that reads the tars.
        checksums: SHA-256 of each tar in hex, if known.
        allow_broken: true to index a truncated or damaged tar up to the damage, with a warning; otherwise an error.
        report: progress callback, called with the numbers (done, total) of tars.
        say: callback for warnings, called with one line.

    Raises:
        UserError: if a tar is compressed, truncated, damaged or not a tar.
        RunError: if the index cannot be written.
    """
    shards: list[Shard] = []
    notes: Counter[str] = Counter()
    with whole_file(path, one_writer=True) as out:
        for number, url in enumerate(urls):
            store.prefetch([number + 1] if number + 1 < len(urls) else [])
            with store.open(number) as file:
                scanned = scan(file, shown(url))
            if scanned.broken:
                line = f"{shown(url)}: {scanned.broken}; download it again"
                if not allow_broken:
                    raise UserError(line)
                say(f"{line}: indexed up to there")
            keys = "".join(scanned.keys).encode()
            shards.append(
                Shard(
                    name=file_name(url),
                    size=scanned.size,
                    mtime_ns=Path(url).stat().st_mtime_ns if is_local(url) else None,
                    sha256=checksums[number] if checksums else None,
                    rows=len(scanned.rows),
                    pairs=int(scanned.rows["texts"].sum()),
                    most_texts=int(scanned.rows["texts"].max(initial=0)),
                    coco=int(np.count_nonzero(scanned.rows["coco"])),
                    at=out.tell(),
                    key_bytes=len(keys),
                    notes=dict(scanned.notes),
                )
            )
            notes += scanned.notes
            out.write(scanned.rows.tobytes() + keys)
            report(number + 1, len(urls))
        table = json.dumps({"shards": [asdict(shard) for shard in shards]}).encode()
        out.write(table + len(table).to_bytes(8, "little") + MAGIC)
    if notes:
        counts = ", ".join(f"{count} {oddity}" for oddity, count in sorted(notes.items()))
        say(f"{path}: in {len(shards)} shards there are {counts}")
    return TarIndex(path)


def file_name(url: str) -> str:
    """Returns the last part of a path or URL, without a query string."""
    return PurePosixPath(url.partition("?")[0]).name
