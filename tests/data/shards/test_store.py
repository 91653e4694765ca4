"""Parts of shards, on the disk and from servers that fail; a bounded cache that processes share."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import random
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from faulty_server import FAULTS, FaultyServer
from fsspec import AbstractFileSystem

from frozenvl.data.shards import store as module
from frozenvl.data.shards.store import ShardStore
from frozenvl.util.errors import RunError, UserError

SHARDS = [random.Random(n).randbytes(200_000 + 1000 * n) for n in range(5)]
SIZES = [len(shard) for shard in SHARDS]
SUMS = [hashlib.sha256(shard).hexdigest() for shard in SHARDS]


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
    """A store of the server's shards: `web(attempts=2)`."""

    def make(**options) -> ShardStore:
        patience = {"attempts": 4, "backoff": 0.01, "stall": 20}
        urls = [f"{server.url}/{number}.tar" for number in range(len(SHARDS))]
        return ShardStore(urls, **{"sizes": SIZES, "cache": tmp_path / "cache"} | patience | options)

    return make


def cached(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".lock")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def partial_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.tmp"))


def parts(store: ShardStore, seed: int, count: int = 40) -> bool:
    """Whether parts here and there, of all shards in turn, are what they should be."""
    draw = random.Random(seed)
    for _ in range(count):
        shard = draw.randrange(len(SHARDS))
        offset = draw.randrange(SIZES[shard])
        size = draw.randrange(SIZES[shard] - offset + 1)
        if store.read(shard, offset, size) != SHARDS[shard][offset : offset + size]:
            return False
    return True


# on this machine


def test_parts_of_local_shards(local):
    store = ShardStore([local[0], f"file://{local[1]}", *local[2:]])
    assert parts(store, seed=0)
    assert store.read(1, SIZES[1], 0) == b""
    with store.open(2) as file:
        assert file.read() == SHARDS[2]


def test_a_shard_shorter_than_its_index_says(local):
    with pytest.raises(RunError, match=r"3\.tar: is shorter than its index says; download it again or reb"):
        ShardStore(local).read(3, SIZES[3] - 5, 6)


def test_a_missing_shard_and_a_folder_are_named(local, tmp_path):
    store = ShardStore([f"{tmp_path}/none.tar", str(tmp_path)])
    with pytest.raises(UserError, match=r"none\.tar: no such shard"):
        store.read(0, 0, 1)
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        store.read(1, 0, 1)


def test_few_descriptors_are_kept(local, monkeypatch):
    monkeypatch.setattr(module, "DESCRIPTORS", 2)
    store = ShardStore(local)
    before = descriptors()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda seed: parts(store, seed, 200), range(8)))
    assert descriptors() <= before + 2


def test_none_is_closed_under_a_reader(local, monkeypatch):
    """In the middle of a read, other threads read so many other shards that its descriptor is let go."""
    pread = os.pread

    def interrupted(*args):
        monkeypatch.setattr(os, "pread", pread)
        assert parts(store, seed=5)
        return pread(*args)

    monkeypatch.setattr(module, "DESCRIPTORS", 1)
    store = ShardStore(local)
    monkeypatch.setattr(os, "pread", interrupted)
    assert store.read(0, 10, 1000) == SHARDS[0][10:1010]


def test_a_pickled_store_reads(local):
    store = ShardStore(local)
    assert parts(store, seed=1)
    assert parts(pickle.loads(pickle.dumps(store)), seed=1)


def test_importing_it_imports_nothing_slow():
    heavy = "{'torch', 'fsspec', 'aiohttp', 'asyncio', 'filelock'} & set(sys.modules)"
    code = f"import sys, frozenvl.data.shards.store; print({heavy})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


# the cache


def test_a_remote_shard_is_brought_once(memory, tmp_path):
    store = ShardStore(memory, cache=tmp_path)
    assert parts(store, seed=0)
    fsspec.filesystem("memory").store.clear()
    assert parts(store, seed=1)
    assert parts(ShardStore(memory, SIZES, cache=tmp_path), seed=2)
    with store.open(2) as file:
        assert file.read() == SHARDS[2]


def test_its_default_folder_is_in_the_projects_cache(memory, tmp_path, monkeypatch):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    ShardStore(memory).read(0, 0, 1)
    assert cached(tmp_path / "shards") == SIZES[0]


def test_a_cached_shard_of_another_size_or_checksum_is_brought_again(memory, tmp_path):
    ShardStore(memory, cache=tmp_path).read(0, 0, 1)
    for change in (b"other and longer", b"OTHER AND LONGER"):
        fsspec.filesystem("memory").pipe("/shards/0.tar", change)
        sums = [hashlib.sha256(change).hexdigest()]
        assert ShardStore(memory[:1], [len(change)], sums, tmp_path).read(0, 0, 5) == change[:5]
    assert ShardStore(memory[:1], [len(change)], cache=tmp_path).read(0, 0, 5) == change[:5]


def test_the_bound_is_kept_and_the_least_recently_used_goes(memory, tmp_path):
    bound = SIZES[0] + SIZES[1] + SIZES[2]
    store = ShardStore(memory, cache=tmp_path, max_bytes=bound)
    for shard in (0, 1, 2, 0, 3):
        store.open(shard).close()
        time.sleep(0.02)  # longer than the file system's clock ticks
        assert cached(tmp_path) <= bound
    fsspec.filesystem("memory").store.clear()
    for shard, there in enumerate((True, False, False, True)):
        if there:
            store.open(shard).close()
        else:
            with pytest.raises(UserError, match=rf"shards/{shard}\.tar: no such file in its store"):
                store.open(shard)


def test_an_evicted_shard_is_read_on(web, server, tmp_path):
    store = web(max_bytes=max(SIZES))
    assert parts(store, seed=3)  # the shards in turn, though only one fits
    assert cached(tmp_path / "cache") <= max(SIZES)
    assert set(server.gets.values()) == {1}


def test_what_is_evicted_and_not_read_is_let_go(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IDLE", 0)
    store = ShardStore(memory, cache=tmp_path, max_bytes=max(SIZES))
    before = descriptors()
    for shard in range(5):
        store.read(shard, 0, 1)
    assert descriptors() <= before + 2


@pytest.mark.parametrize("sizes", [None, SIZES])
def test_a_bound_smaller_than_a_shard(memory, tmp_path, sizes):
    with pytest.raises(UserError, match=r"0\.tar: 200000 bytes, more than the cache may hold \(199999\)"):
        ShardStore(memory, sizes, cache=tmp_path, max_bytes=199_999).read(0, 0, 1)


def test_what_a_killed_process_left_is_removed(memory, tmp_path):
    left = tmp_path / f"{'0' * 32}.900000.abcdef01.tmp"
    left.write_bytes(b"half")
    (tmp_path / "of.another.program.tmp").write_bytes(b"kept")
    ShardStore(memory, cache=tmp_path, max_bytes=10**6).read(0, 0, 1)
    assert partial_files(tmp_path) == [tmp_path / "of.another.program.tmp"]


def test_what_another_writes_counts_until_it_is_done(memory, tmp_path):
    store = ShardStore(memory, cache=tmp_path, max_bytes=10**6)
    with store.cache.lock("0" * 32):
        writing = store.cache.place("0" * 32, "other", 900_000)
        reader = threading.Thread(target=store.read, args=(0, 0, 1), daemon=True)
        reader.start()
        reader.join(0.3)
        assert reader.is_alive()
        assert cached(tmp_path) == 0
        writing.unlink()
        reader.join(10)
        assert cached(tmp_path) == SIZES[0]


def test_a_full_disk_leaves_nothing_behind(memory, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RunError, match=r"cannot be written \(File too large\)") as error:
            ShardStore(memory, cache=tmp_path).read(0, 0, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert cached(tmp_path) == 0


def test_a_cache_that_cannot_be_written(memory, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"file: cannot be written"):
        ShardStore(memory, cache=tmp_path / "file").read(0, 0, 1)


# servers


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_for_a_while(web, server, tmp_path, fault):
    server.fault = lambda path, number: fault if number < 2 else ""
    store = web(checksums=SUMS, stall=0.5 if fault == "stall" else 20)
    assert store.read(1, 0, SIZES[1]) == SHARDS[1]
    assert server.gets["/1.tar"] == 3
    assert not partial_files(tmp_path / "cache")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("503", "status 503"),
        ("429", "status 429"),
        ("reset", ""),
        ("truncate", ""),
        ("short", "100500 bytes came, not 201000"),
        ("stall", "no byte came for 0.5 seconds"),
        ("corrupt", "its sha256 is "),
    ],
)
def test_a_server_that_fails_for_good(web, server, tmp_path, fault, reason):
    server.fault = lambda path, number: fault
    with pytest.raises(
        RunError, match=rf"/1\.tar: cannot be downloaded \(.*{reason}.*tried 2 times"
    ) as error:
        web(checksums=SUMS, attempts=2, stall=0.5 if fault == "stall" else 20).read(1, 0, 9)
    assert "\n" not in str(error.value)
    assert server.gets["/1.tar"] == 2
    assert cached(tmp_path / "cache") == 0


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("fault", "message"),
    [("404", "no such file in its store"), ("403", r"its store refuses it \(status 403\); .*credentials")],
)
def test_a_refusal_is_final(server, tmp_path, fault, message, known):
    server.fault = lambda path, number: fault
    url = f"{server.url}/none.tar" if fault == "404" else f"{server.url}/1.tar"
    store = ShardStore([url], [9] if known else None, ["0" * 64] if known else None, tmp_path, backoff=60)
    with pytest.raises(UserError, match=message) as error:
        store.read(0, 0, 1)
    assert not isinstance(error.value, RunError)
    assert sum(server.gets.values()) == 1


def test_sizes_come_from_the_server_where_none_are_given(web, server):
    server.fault = lambda path, number: "short" if number == 0 else ""
    assert web(sizes=None).read(2, 0, SIZES[2]) == SHARDS[2]
    assert server.gets["/2.tar"] == 2


def test_a_server_that_is_not_there_may_come_back(web, server):
    server.stop()
    with pytest.raises(RunError, match=r"cannot be downloaded \(Cannot connect .* tried 2 times"):
        web(sizes=None, attempts=2).read(0, 0, 1)


def test_secrets_in_an_address_are_not_shown(server, tmp_path):
    server.fault = lambda path, number: "503"
    url = server.url.replace("//", "//user:word@") + "/1.tar?signature=secret"
    with pytest.raises(RunError, match=r"http://127.0.0.1:\d+/1\.tar: ") as error:
        ShardStore([url], cache=tmp_path, attempts=1).read(0, 0, 1)
    assert "secret" not in str(error.value)
    assert "word" not in str(error.value)


def test_a_store_that_cannot_be_interrupted_is_left_behind(tmp_path):
    class Stuck(AbstractFileSystem):
        protocol = "stuck"

        def info(self, path, **kwargs):
            threading.Event().wait(20)

    fsspec.register_implementation("stuck", Stuck, clobber=True)
    with pytest.raises(RunError, match=r"no byte came for 0.2 seconds"):
        ShardStore(["stuck://a.tar"], cache=tmp_path, attempts=2, backoff=0.01, stall=0.2).read(0, 0, 1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://bucket/0.tar", "gs:// needs a package that is not installed; run `pip install gcsfs`"),
        ("nonsense://0.tar", "not an address that can be read from .*nonsense"),
    ],
)
def test_an_address_that_cannot_be_used(tmp_path, monkeypatch, url, message):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=message) as error:
        ShardStore([url], cache=tmp_path).read(0, 0, 1)
    assert "\n" not in str(error.value)


# several at once


def test_shards_are_brought_ahead(web, server, tmp_path):
    store = web()
    server.fault = lambda path, number: "503" if number == 0 else "slow"
    store.prefetch([0, 1, 2, 3, 4])
    store.prefetch([1, 0])
    for _ in range(1000):
        if len(list((tmp_path / "cache").glob("*.shard"))) == len(SHARDS):
            break
        time.sleep(0.02)
    assert set(server.gets.values()) == {2}
    assert server.most == module.AHEAD
    assert parts(store, seed=4)
    assert set(server.gets.values()) == {2}


def test_what_goes_wrong_ahead_is_said_when_read(server, web):
    server.fault = lambda path, number: "404"
    store = web()
    store.prefetch([0])
    with pytest.raises(UserError, match=r"0\.tar: no such file"):
        store.read(0, 0, 1)


def test_ahead_is_nothing_for_local_shards(local):
    before = threading.active_count()
    ShardStore(local).prefetch(range(5))
    assert threading.active_count() == before


def _child(store: ShardStore, seed: int) -> None:
    store.prefetch(range(4, -1, -1))
    os._exit(0 if parts(store, seed) else 3)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_the_cache_and_bring_each_shard_once(web, server, method):
    store = web()
    store.read(0, 0, 1)  # the store of a forked process is one that has been used
    store.prefetch([1])
    context = multiprocessing.get_context(method)
    children = [context.Process(target=_child, args=(store, seed)) for seed in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert dict(server.gets) == {f"/{number}.tar": 1 for number in range(5)}


def _read(store: ShardStore) -> None:
    os._exit(0 if store.read(0, 5, 9) == SHARDS[0][5:14] else 3)


def test_a_fork_while_a_thread_holds_the_lock(local):
    store = ShardStore(local)
    child = multiprocessing.get_context("fork").Process(target=_read, args=(store,))
    with store._own.lock:
        child.start()
    child.join(30)
    child.kill()  # where it hangs
    assert child.exitcode == 0


def test_a_killed_download_holds_nobody_up(web, server, tmp_path):
    server.fault = lambda path, number: "stall" if number == 0 else ""
    child = multiprocessing.get_context("fork").Process(target=_read, args=(web(),))
    child.start()
    while not partial_files(tmp_path / "cache"):
        time.sleep(0.02)
    child.kill()
    child.join()
    assert web(max_bytes=SIZES[0]).read(0, 0, SIZES[0]) == SHARDS[0]
    assert not partial_files(tmp_path / "cache")
