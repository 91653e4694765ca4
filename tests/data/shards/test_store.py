"""Byte ranges of local and remote shards, with prefetching and a cache that processes share."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from shard_files import SHARDS, SIZES, partial_files, parts

from frozenvl.data.shards import store as module
from frozenvl.data.shards.store import ShardStore
from frozenvl.util.errors import RunError, UserError


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_byte_ranges_of_local_shards_are_read(local):
    store = ShardStore([local[0], f"file://{local[1]}", *local[2:]])
    assert parts(store, seed=0)
    assert store.read(1, SIZES[1], 0) == b""
    with store.open(2) as file:
        assert file.read() == SHARDS[2]


def test_a_shard_shorter_than_its_index_is_an_error(local):
    with pytest.raises(RunError, match=r"3\.tar: is shorter than its index says; download it again or reb"):
        ShardStore(local).read(3, SIZES[3] - 5, 6)


def test_a_missing_shard_and_a_folder_are_named(local, tmp_path):
    store = ShardStore([f"{tmp_path}/none.tar", str(tmp_path)])
    with pytest.raises(UserError, match=r"none\.tar: no such shard"):
        store.read(0, 0, 1)
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        store.read(1, 0, 1)


def test_few_descriptors_stay_open(local, monkeypatch):
    monkeypatch.setattr(module, "DESCRIPTORS", 2)
    store = ShardStore(local)
    before = descriptors()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda seed: parts(store, seed, 200), range(8)))
    assert descriptors() <= before + 2


def test_no_descriptor_is_closed_during_a_read(local, monkeypatch):
    """During a read, so many other shards are read that its descriptor would be closed."""
    pread = os.pread

    def interrupted(*args):
        monkeypatch.setattr(os, "pread", pread)
        assert parts(store, seed=5)
        return pread(*args)

    monkeypatch.setattr(module, "DESCRIPTORS", 1)
    store = ShardStore(local)
    monkeypatch.setattr(os, "pread", interrupted)
    assert store.read(0, 10, 1000) == SHARDS[0][10:1010]


def test_a_pickled_store_can_read(local):
    store = ShardStore(local)
    assert parts(store, seed=1)
    assert parts(pickle.loads(pickle.dumps(store)), seed=1)


def test_importing_the_module_imports_no_slow_package():
    heavy = "{'torch', 'fsspec', 'aiohttp', 'asyncio', 'filelock'} & set(sys.modules)"
    code = f"import sys, frozenvl.data.shards.store; print({heavy})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_shards_are_prefetched(web, server, tmp_path):
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


def test_an_error_of_prefetching_is_raised_at_the_read(server, web):
    server.fault = lambda path, number: "404"
    store = web()
    store.prefetch([0])
    with pytest.raises(UserError, match=r"0\.tar: no such file"):
        store.read(0, 0, 1)


def test_prefetching_local_shards_does_nothing(local):
    before = threading.active_count()
    ShardStore(local).prefetch(range(5))
    assert threading.active_count() == before


def _child(store: ShardStore, seed: int) -> None:
    store.prefetch(range(4, -1, -1))
    os._exit(0 if parts(store, seed) else 3)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_the_cache_and_download_each_shard_once(web, server, method):
    store = web()
    store.read(0, 0, 1)  # child processes get a store that has been used
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


def test_a_forked_child_reads_though_the_lock_was_held_at_the_fork(local):
    store = ShardStore(local)
    child = multiprocessing.get_context("fork").Process(target=_read, args=(store,))
    with store._process_state.lock:
        child.start()
    child.join(30)
    child.kill()  # in case it hangs
    assert child.exitcode == 0


def test_a_killed_download_blocks_no_other_process(web, server, tmp_path):
    server.fault = lambda path, number: "stall" if number == 0 else ""
    child = multiprocessing.get_context("fork").Process(target=_read, args=(web(),))
    child.start()
    while not partial_files(tmp_path / "cache"):
        time.sleep(0.02)
    child.kill()
    child.join()
    assert web(max_bytes=SIZES[0]).read(0, 0, SIZES[0]) == SHARDS[0]
    assert not partial_files(tmp_path / "cache")
