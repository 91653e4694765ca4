"""Cache folder of remote shards: bounded, and shared by processes."""

from __future__ import annotations

import hashlib
import resource
import threading
import time
from pathlib import Path

import fsspec
import pytest
from shard_files import SHARDS, SIZES, cached, partial_files, parts

from frozenvl.data.shards import store as module
from frozenvl.data.shards.store import ShardStore
from frozenvl.util.errors import RunError, UserError


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_remote_shard_is_downloaded_once(memory, tmp_path):
    store = ShardStore(memory, cache=tmp_path)
    assert parts(store, seed=0)
    fsspec.filesystem("memory").store.clear()
    assert parts(store, seed=1)
    assert parts(ShardStore(memory, SIZES, cache=tmp_path), seed=2)
    with store.open(2) as file:
        assert file.read() == SHARDS[2]


def test_its_default_folder_is_in_frozenvl_home(memory, tmp_path, monkeypatch):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    ShardStore(memory).read(0, 0, 1)
    assert cached(tmp_path / "shards") == SIZES[0]


def test_a_cached_shard_of_another_size_or_checksum_is_downloaded_again(memory, tmp_path):
    ShardStore(memory, cache=tmp_path).read(0, 0, 1)
    for change in (b"other and longer", b"OTHER AND LONGER"):
        fsspec.filesystem("memory").pipe("/shards/0.tar", change)
        sums = [hashlib.sha256(change).hexdigest()]
        assert ShardStore(memory[:1], [len(change)], sums, tmp_path).read(0, 0, 5) == change[:5]
    assert ShardStore(memory[:1], [len(change)], cache=tmp_path).read(0, 0, 5) == change[:5]


def test_the_least_recently_used_shard_is_evicted(memory, tmp_path):
    bound = SIZES[0] + SIZES[1] + SIZES[2]
    store = ShardStore(memory, cache=tmp_path, max_bytes=bound)
    for shard in (0, 1, 2, 0, 3):
        store.open(shard).close()
        time.sleep(0.02)  # longer than the resolution of the file system's clock
        assert cached(tmp_path) <= bound
    fsspec.filesystem("memory").store.clear()
    for shard, there in enumerate((True, False, False, True)):
        if there:
            store.open(shard).close()
        else:
            with pytest.raises(UserError, match=rf"shards/{shard}\.tar: no such file in its store"):
                store.open(shard)


def test_an_evicted_shard_can_still_be_read(web, server, tmp_path):
    store = web(max_bytes=max(SIZES))
    assert parts(store, seed=3)  # reads all shards, though only one fits
    assert cached(tmp_path / "cache") <= max(SIZES)
    assert set(server.gets.values()) == {1}


def test_descriptors_of_evicted_shards_are_closed(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IDLE", 0)
    store = ShardStore(memory, cache=tmp_path, max_bytes=max(SIZES))
    before = descriptors()
    for shard in range(5):
        store.read(shard, 0, 1)
    assert descriptors() <= before + 2


@pytest.mark.parametrize("sizes", [None, SIZES])
def test_a_bound_smaller_than_a_shard_is_refused(memory, tmp_path, sizes):
    with pytest.raises(UserError, match=r"0\.tar: 200000 bytes, more than the cache may hold \(199999\)"):
        ShardStore(memory, sizes, cache=tmp_path, max_bytes=199_999).read(0, 0, 1)


def test_partial_files_of_killed_processes_are_removed(memory, tmp_path):
    left = tmp_path / f"{'0' * 32}.900000.abcdef01.tmp"
    left.write_bytes(b"half")
    (tmp_path / "of.another.program.tmp").write_bytes(b"kept")
    ShardStore(memory, cache=tmp_path, max_bytes=10**6).read(0, 0, 1)
    assert partial_files(tmp_path) == [tmp_path / "of.another.program.tmp"]


def test_files_that_another_process_is_writing_count_towards_the_bound(memory, tmp_path):
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


def test_a_cache_that_cannot_be_written_is_an_error(memory, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"file: cannot be written"):
        ShardStore(memory, cache=tmp_path / "file").read(0, 0, 1)
