"""The index of tars: one file, mapped into memory, so that opening it costs nothing and processes share it.

For each tar its rows (`scan.ROW`) and its keys one after another; then JSON that says where they are; then the
length of that and `MAGIC`.
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
    """What an index says of one tar."""

    name: str
    """Of the file, without its folder."""
    size: int
    """Of the tar, in bytes."""
    mtime_ns: int | None
    """When a local file was last changed."""
    sha256: str | None
    rows: int
    """Number of samples."""
    pairs: int
    most_texts: int
    """That one sample has."""
    coco: int
    """Samples whose photograph is known to be one of COCO's."""
    at: int
    """Where its rows begin in the index, in bytes."""
    key_bytes: int
    notes: dict[str, int]
    """How often something was odd."""


class TarIndex:
    """An index, opened. A pickled one is opened again where it arrives.

    Args:
        path: of its file.

    Raises:
        UserError: no such file, or no index.
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
        """The samples of a shard: a view of the file, not a copy."""
        return self._bytes[shard.at : shard.at + shard.rows * ROW.itemsize].view(ROW)

    def release(self) -> None:
        """What was read no longer counts as memory of this process; read again, it comes from the page cache."""
        self._map.madvise(MADV_DONTNEED)

    def key(self, shard: Shard, row: int) -> str:
        """The key of a sample."""
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
    """Reads all tars once and writes their index, whole or not at all.

    Args:
        path: where it is written.
        urls: of the tars.
        store: that reads them.
        checksums: their SHA-256 in hex, where known.
        allow_broken: a tar that is truncated or damaged is indexed up to there, and that is said; else an error.
        report: told the numbers (done, total) of tars.
        say: told in a line what is odd.

    Raises:
        UserError: a tar is compressed, truncated, damaged or none.
        RunError: the index cannot be written.
    """
    shards: list[Shard] = []
    notes: Counter[str] = Counter()
    with whole_file(path, one_writer=True) as out:
        for number, url in enumerate(urls):
            store.prefetch([number + 1] if number + 1 < len(urls) else [])
            with store.open(number) as file:
                found = scan(file, shown(url))
            if found.broken:
                line = f"{shown(url)}: {found.broken}; download it again"
                if not allow_broken:
                    raise UserError(line)
                say(f"{line}: indexed up to there")
            keys = "".join(found.keys).encode()
            shards.append(
                Shard(
                    name=file_name(url),
                    size=found.size,
                    mtime_ns=Path(url).stat().st_mtime_ns if is_local(url) else None,
                    sha256=checksums[number] if checksums else None,
                    rows=len(found.rows),
                    pairs=int(found.rows["texts"].sum()),
                    most_texts=int(found.rows["texts"].max(initial=0)),
                    coco=int(np.count_nonzero(found.rows["coco"])),
                    at=out.tell(),
                    key_bytes=len(keys),
                    notes=dict(found.notes),
                )
            )
            notes += found.notes
            out.write(found.rows.tobytes() + keys)
            report(number + 1, len(urls))
        described = json.dumps({"shards": [asdict(shard) for shard in shards]}).encode()
        out.write(described + len(described).to_bytes(8, "little") + MAGIC)
    if notes:
        said = ", ".join(f"{count} {what}" for what, count in sorted(notes.items()))
        say(f"{path}: in {len(shards)} shards there are {said}")
    return TarIndex(path)


def file_name(url: str) -> str:
    """The last part of a path or URL."""
    return PurePosixPath(url.partition("?")[0]).name
