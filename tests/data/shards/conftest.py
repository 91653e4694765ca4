"""Stores of shards: local, in memory, and behind a web server."""

from __future__ import annotations

import fsspec
import pytest
from faulty_server import FaultyServer
from shard_files import SHARDS, SIZES

from frozenvl.data.shards.store import ShardStore


@pytest.fixture
def local(tmp_path) -> list[str]:
    for number, shard in enumerate(SHARDS):
        (tmp_path / f"{number}.tar").write_bytes(shard)
    return [str(tmp_path / f"{number}.tar") for number in range(len(SHARDS))]


@pytest.fixture
def memory() -> list[str]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    for number, shard in enumerate(SHARDS):
        fs.pipe(f"/shards/{number}.tar", shard)
    return [f"memory://shards/{number}.tar" for number in range(len(SHARDS))]


@pytest.fixture
def server():
    server = FaultyServer({f"/{number}.tar": shard for number, shard in enumerate(SHARDS)})
    yield server
    server.stop()


@pytest.fixture
def web(server, tmp_path):
    """Function that makes a store of the server's shards: `web(attempts=2)`."""

    def make(**options) -> ShardStore:
        patience = {"attempts": 4, "backoff": 0.01, "stall": 20}
        urls = [f"{server.url}/{number}.tar" for number in range(len(SHARDS))]
        return ShardStore(urls, **{"sizes": SIZES, "cache": tmp_path / "cache"} | patience | options)

    return make
