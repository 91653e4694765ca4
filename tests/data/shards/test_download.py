"""Downloads from servers that fail."""

from __future__ import annotations

import sys
import threading

import fsspec
import pytest
from faulty_server import FAULTS
from fsspec import AbstractFileSystem
from shard_files import SHARDS, SIZES, SUMS, cached, partial_files

from frozenvl.data.shards.store import ShardStore
from frozenvl.util.errors import RunError, UserError


@pytest.mark.parametrize("fault", FAULTS)
def test_temporary_failures_are_retried(web, server, tmp_path, fault):
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
def test_permanent_failures_are_an_error_after_all_attempts(web, server, tmp_path, fault, reason):
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
def test_a_refusal_is_not_retried(server, tmp_path, fault, message, known):
    server.fault = lambda path, number: fault
    url = f"{server.url}/none.tar" if fault == "404" else f"{server.url}/1.tar"
    store = ShardStore([url], [9] if known else None, ["0" * 64] if known else None, tmp_path, backoff=60)
    with pytest.raises(UserError, match=message) as error:
        store.read(0, 0, 1)
    assert not isinstance(error.value, RunError)
    assert sum(server.gets.values()) == 1


def test_sizes_come_from_the_server_if_none_are_given(web, server):
    server.fault = lambda path, number: "short" if number == 0 else ""
    assert web(sizes=None).read(2, 0, SIZES[2]) == SHARDS[2]
    assert server.gets["/2.tar"] == 2


def test_an_unreachable_server_is_retried(web, server):
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


def test_a_stuck_store_is_abandoned_after_the_stall_time(tmp_path):
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
def test_an_unusable_address_is_one_error_line(tmp_path, monkeypatch, url, message):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=message) as error:
        ShardStore([url], cache=tmp_path).read(0, 0, 1)
    assert "\n" not in str(error.value)
