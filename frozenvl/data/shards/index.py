"""Index of tars: one memory-mapped file, which opens in no time and is shared by processes.

Layout: for each tar its rows (`rows.ROW`) and its concatenated keys; then JSON with the position of these, and the
names that images and texts were found by; then the length of the JSON (8 bytes, little-endian) and `MAGIC`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from pathlib import Path, PurePosixPath

import numpy as np

from frozenvl.data.shards.download import shown
from frozenvl.data.shards.keys import IMAGE_SUFFIXES, Keys, parse_keys
from frozenvl.data.shards.notes import IGNORED, Notes
from frozenvl.data.shards.rows import LINED, ROW
from frozenvl.data.shards.scan import Scan, scan
from frozenvl.data.shards.store import ShardStore, is_local
from frozenvl.util.errors import UserError
from frozenvl.util.files import whole_file

MAGIC = b"FVLINDX2"
FORMER_MAGIC = b"FVLINDX1"
"""Format without the names of images and texts, and without the number of lines. It says enough of packed tars."""
FORMER_SUFFIXES = IMAGE_SUFFIXES[:9]
"""Suffixes to which rows of the former format refer."""


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
    """Number of (image, text) pairs, with all lines of a text as one."""
    most_texts: int
    """Largest number of texts of one sample, with all lines of a text as one."""
    coco: int
    """Number of samples whose photograph is known to be COCO's."""
    at: int
    """Offset of its rows in the index, in bytes."""
    key_bytes: int
    notes: dict[str, int]
    """Oddities found in the tar: kind → count."""
    names: dict[str, dict[str, int]] = field(default_factory=dict)
    """Oddities found in the tar: kind → suffix or key → count (`Notes.names`)."""
    extra_lines: int = 0
    """Number of pairs that are added if each line of a text is a caption."""
    suffixes: tuple[str, ...] | list[str] = FORMER_SUFFIXES
    """Suffixes of its image members; rows hold positions in it."""


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
                if tail[8:] not in (MAGIC, FORMER_MAGIC):
                    raise ValueError
                file.seek(-16 - length, os.SEEK_END)
                table = json.loads(file.read(length))
                self.shards = tuple(Shard(**shard) for shard in table["shards"])
                self.keys: Keys | None = None  # of the former format
                if tail[8:] == MAGIC:
                    self.keys = Keys(*(tuple(table["keys"][part]) for part in ("image", "text")))
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
        """Returns the rows of a shard, of type `rows.ROW`: a view of the file, not a copy."""
        return self._bytes[shard.at : shard.at + shard.rows * ROW.itemsize].view(ROW)

    def fits(self, keys: Keys, shards: Sequence[Shard]) -> bool:
        """Tells whether its entries of these shards are those that `keys` would give.

        An index of the former format fits if the shards are packed, as those with a checksum are: their texts are in
        records, which are found by no name.
        """
        return self.keys == keys or (
            self.keys is None and keys == parse_keys() and all(shard.sha256 for shard in shards)
        )

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
    keys: Keys,
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
        keys: names of images and texts.
        checksums: SHA-256 of each tar in hex, if known.
        allow_broken: true to index a truncated or damaged tar up to the damage, with a warning; otherwise an error.
        report: progress callback, called with the numbers (done, total) of tars.
        say: callback for warnings, called with one line.

    Raises:
        UserError: if a tar is empty, compressed, truncated, damaged or not a tar, or none of its members is used.
        RunError: if the index cannot be written.
    """
    shards: list[Shard] = []
    notes = Notes()
    with whole_file(path, one_writer=True) as out:
        for number, url in enumerate(urls):
            store.prefetch([number + 1] if number + 1 < len(urls) else [])
            with store.open(number) as file:
                scanned = scan(file, shown(url), keys)
            if scanned.broken:
                line = f"{shown(url)}: {scanned.broken}; download it again"
                if not allow_broken:
                    raise UserError(line)
                say(f"{line}: indexed up to there")
            _check_used(scanned, shown(url))
            checksum = checksums[number] if checksums else None
            shard = _entry(scanned, url, checksum, out.tell())
            shards.append(shard)
            notes.merge(shard.notes, shard.names)
            out.write(scanned.rows.tobytes() + "".join(scanned.keys).encode())
            report(number + 1, len(urls))
        out.write(end_of_index(shards, keys))
    if lines := notes.lines():
        say(f"{path}: in {len(shards)} shards there are {'; '.join(lines)}")
    return TarIndex(path)


def _check_used(scanned: Scan, url: str) -> None:
    """Raises `UserError` if a tar has members, but none of them is used."""
    ignored = scanned.notes.counts[IGNORED]
    if len(scanned.rows) or not ignored:
        return
    names = scanned.notes.names[IGNORED]
    dotted = next((name for name in names if "." in name), None)
    why = f". A name is split at its first dot, as webdataset does: x.{dotted} is sample x, member {dotted}"
    raise UserError(
        f"{url}: none of its {ignored:,} members is an image or a text ({scanned.notes.shown_names(IGNORED)}); "
        f"name their suffixes in image_key and text_key, or rename the members{why if dotted else ''}"
    )


def _entry(scanned: Scan, url: str, checksum: str | None, at: int) -> Shard:
    """Makes the entry of a tar whose rows are at offset `at` of the index."""
    lines = scanned.rows["texts"]
    texts = np.where(np.isin(scanned.rows["form"], LINED), np.minimum(lines, 1), lines)
    return Shard(
        name=file_name(url),
        size=scanned.size,
        mtime_ns=Path(url).stat().st_mtime_ns if is_local(url) else None,
        sha256=checksum,
        rows=len(scanned.rows),
        pairs=int(texts.sum()),
        most_texts=int(texts.max(initial=0)),
        coco=int(np.count_nonzero(scanned.rows["coco"])),
        at=at,
        key_bytes=sum(len(key.encode()) for key in scanned.keys),
        notes=dict(scanned.notes.counts),
        names=scanned.notes.most_frequent(),
        extra_lines=int(lines.sum() - texts.sum()),
        suffixes=scanned.suffixes,
    )


def end_of_index(shards: Sequence[Shard], keys: Keys) -> bytes:
    """Returns what follows the rows and keys of all tars in an index file."""
    table = json.dumps({"keys": asdict(keys), "shards": [vars(shard) for shard in shards]}).encode()
    return table + len(table).to_bytes(8, "little") + MAGIC


def file_name(url: str) -> str:
    """Returns the last part of a path or URL, without a query string."""
    return PurePosixPath(url.partition("?")[0]).name
