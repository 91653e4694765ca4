"""Shards from a real S3 server that fails, stalls, truncates and damages."""

from __future__ import annotations

import multiprocessing
import os
import random
from pathlib import Path

import pytest
from faulty_server import FAULTS, FaultyServer

from frozenvl.data.shards.store import ShardStore
from frozenvl.util.errors import RunError, UserError

pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("moto.server", reason="moto[server] is not installed")

SHARDS = [random.Random(n).randbytes(150_000 + 1000 * n) for n in range(8)]
URLS = [f"s3://bucket/train/{number:05d}.tar" for number in range(len(SHARDS))]
ENCRYPTED = "s3://bucket/encrypted.tar"
SIZES = [len(shard) for shard in SHARDS]
NO_CRC = {
    "x-amz-checksum-crc32": "",
    "x-amz-checksum-type": "",
}  # boto verifies CRC headers, which many stores do not send
KEYS = {"key": "test", "secret": "test"}


@pytest.fixture(scope="module")
def moto():
    """Address (host, port) of an S3 server that holds the shards."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    fs = s3fs.S3FileSystem(endpoint_url=f"http://{host}:{port}", skip_instance_cache=True, **KEYS)
    fs.mkdir("bucket")
    for url, shard in zip(URLS, SHARDS, strict=True):
        fs.pipe_file(url, shard)
    fs.pipe_file(ENCRYPTED, SHARDS[0], ServerSideEncryption="aws:kms")
    yield host, port
    server.stop()


@pytest.fixture
def server(moto):
    """S3 server behind a proxy that fails on demand."""
    server = FaultyServer(upstream=moto)
    yield server
    server.stop()


@pytest.fixture
def make(server, tmp_path):
    def store(urls=URLS, **options) -> ShardStore:
        patience = {"attempts": 8, "backoff": 0.01, "stall": 20}
        known = {"cache": tmp_path / "cache", "storage_options": KEYS | {"endpoint_url": server.url}}
        return ShardStore(urls, **known | patience | options)

    return store


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def parts(store: ShardStore, seed: int) -> bool:
    draw = random.Random(seed)
    for shard in draw.sample(range(len(SHARDS)), len(SHARDS)):
        for _ in range(5):
            offset = draw.randrange(SIZES[shard])
            size = draw.randrange(SIZES[shard] - offset + 1)
            if store.read(shard, offset, size) != SHARDS[shard][offset : offset + size]:
                return False
    return True


def _child(store: ShardStore, seed: int) -> None:
    store.prefetch(range(len(SHARDS)))
    os._exit(0 if parts(store, seed) else 3)


def in_processes(store: ShardStore, count: int = 3) -> list[int | None]:
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_child, args=(store, seed)) for seed in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(90)
    return [child.exitcode for child in children]


def test_all_shards_are_read_despite_two_faults_each(make, server, tmp_path):
    """Three processes read all shards through one cache; the seed assigns two faults to each shard."""
    draw = random.Random(4)
    faults = list(FAULTS) * 3
    draw.shuffle(faults)
    where = {(url.removeprefix("s3:/"), n): faults.pop() for url in URLS for n in range(2)}
    server.fault = lambda path, number: where.get((path, number), "")
    store = make(stall=1)
    assert in_processes(store) == [0, 0, 0]
    assert set(FAULTS) <= set(server.given)
    with store.open(3) as file:
        assert file.read() == SHARDS[3]
    assert sorted(name.rpartition(".")[2] for name in left(tmp_path / "cache")) == ["shard"] * len(SHARDS)


def test_processes_download_each_shard_once(make, server):
    assert in_processes(make()) == [0, 0, 0]
    assert dict(server.gets) == {url.removeprefix("s3:/"): 1 for url in URLS}


def test_the_cache_stays_within_its_bound_while_processes_download(make, server, tmp_path):
    bound = 4 * max(SIZES)
    assert in_processes(make(max_bytes=bound)) == [0, 0, 0]
    names = left(tmp_path / "cache")
    assert sum((tmp_path / "cache" / name).stat().st_size for name in names) <= bound


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("503", ""), ("stall", "no byte came for 1 second"), ("corrupt", "its md5 is "), ("short", "")],
)
def test_permanent_failures_are_an_error_after_all_attempts(make, server, tmp_path, fault, reason):
    server.fault = lambda path, number: fault
    server.headers = NO_CRC
    with pytest.raises(
        RunError, match=rf"{URLS[0]}: cannot be downloaded \(.*{reason}.*tried 2 times"
    ) as error:
        make(attempts=2, stall=1 if fault == "stall" else 20).read(0, 0, 1)
    assert "\n" not in str(error.value)
    assert left(tmp_path / "cache") == []


@pytest.mark.parametrize("url", ["s3://bucket/train/none.tar", "s3://none/train/00000.tar"])
def test_a_missing_shard_or_bucket_is_an_error(make, server, url):
    with pytest.raises(UserError, match=rf"{url}: no such file in its store"):
        make([url], backoff=60).read(0, 0, 1)


def test_refused_credentials_are_an_error(make, server):
    server.fault = lambda path, number: "403"
    with pytest.raises(UserError, match=r"its store refuses it .*credentials") as error:
        make(backoff=60).read(0, 0, 1)
    assert not isinstance(error.value, RunError)


@pytest.mark.parametrize(
    ("url", "etag", "is_md5"),
    [(URLS[0], "0" * 32, True), (URLS[0], "0" * 32 + "-2", False), (ENCRYPTED, "0" * 32, False)],
)
def test_an_etag_is_verified_only_if_it_is_an_md5(make, server, url, etag, is_md5):
    """The ETag is no MD5 for multipart uploads and for objects with customer-managed encryption."""
    server.headers = NO_CRC | {"etag": f'"{etag}"'}
    store = make([url], attempts=1)
    if is_md5:
        with pytest.raises(RunError, match=rf"its md5 is \w+, not {etag}"):
            store.read(0, 0, 1)
    else:
        assert store.read(0, 0, SIZES[0]) == SHARDS[0]
