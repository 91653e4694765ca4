"""Shards of random bytes, and helpers that inspect caches and tars."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import numpy as np

from frozenvl.data.shards.keys import Keys, parse_keys
from frozenvl.data.shards.rows import ROW
from frozenvl.data.shards.scan import Scan, scan
from frozenvl.data.shards.store import ShardStore

FORMER_LACKS = ("names", "extra_lines", "suffixes")
"""Fields that the entries of an index of the former format lack."""
FORMER_SUFFIXES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm")
"""Suffixes in which rows of the former format hold positions."""
SHARDS = [random.Random(n).randbytes(200_000 + 1000 * n) for n in range(5)]
SIZES = [len(shard) for shard in SHARDS]
SUMS = [hashlib.sha256(shard).hexdigest() for shard in SHARDS]


def cached(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".lock")


def partial_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.tmp"))


def parts(store: ShardStore, seed: int, count: int = 40) -> bool:
    """Reads random byte ranges of random shards; returns whether all are right."""
    draw = random.Random(seed)
    for _ in range(count):
        shard = draw.randrange(len(SHARDS))
        offset = draw.randrange(SIZES[shard])
        size = draw.randrange(SIZES[shard] - offset + 1)
        if store.read(shard, offset, size) != SHARDS[shard][offset : offset + size]:
            return False
    return True


def scanned(path: Path, keys: Keys | None = None) -> Scan:
    with path.open("rb") as file:
        return scan(file, path.name, keys or parse_keys())


def to_former_format(index: Path) -> bytes:
    """Rewrites an index as version 1 of its format had it; returns its content."""
    content = bytearray(index.read_bytes())
    length = int.from_bytes(content[-16:-8], "little")
    shards = json.loads(content[-16 - length : -16])["shards"]
    for shard in shards:
        rows = np.frombuffer(content, ROW, shard["rows"], shard["at"])
        rows["suffix"] = [FORMER_SUFFIXES.index(shard["suffixes"][number]) for number in rows["suffix"]]
    former = [{name: shard[name] for name in shard if name not in FORMER_LACKS} for shard in shards]
    table = json.dumps({"shards": former}).encode()
    index.write_bytes(bytes(content[: -16 - length]) + table + len(table).to_bytes(8, "little") + b"FVLINDX1")
    return index.read_bytes()
