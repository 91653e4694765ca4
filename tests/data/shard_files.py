"""Shards of random bytes, and helpers that inspect caches and tars."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from frozenvl.data.shards.keys import Keys, parse_keys
from frozenvl.data.shards.scan import Scan, scan
from frozenvl.data.shards.store import ShardStore

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
