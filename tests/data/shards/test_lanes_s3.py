"""Bytes that machines read of shards in lanes, counted at a real S3 server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from faulty_server import FaultyServer
from tars import folder_of_shards

from frozenvl.data.sources.shards import Shards
from frozenvl.data.stream import Task, TrainingStream

pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("moto.server", reason="moto[server] is not installed")

KEYS = {"key": "test", "secret": "test"}
SAMPLES = [4 + 5 * number % 7 for number in range(64)]
"""Samples of each shard: 4 to 10."""
BATCH = 12


@pytest.fixture(scope="module")
def tars(tmp_path_factory) -> Path:
    return folder_of_shards(tmp_path_factory.mktemp("tars") / "shards", SAMPLES)


@pytest.fixture(scope="module")
def index(tars) -> Path:
    return Shards(str(tars)).index.path


@pytest.fixture(scope="module")
def server(tars):
    """S3 server behind a proxy that counts bytes."""
    import s3fs
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    fs = s3fs.S3FileSystem(endpoint_url=f"http://{host}:{port}", skip_instance_cache=True, **KEYS)
    fs.mkdir("lanes")  # moto keeps the buckets of all servers of a process together
    for tar in tars.glob("*.tar"):
        fs.pipe_file(f"s3://lanes/{tar.name}", tar.read_bytes())
    proxy = FaultyServer(upstream=(host, port))
    yield proxy
    proxy.stop()
    moto.stop()


@pytest.mark.parametrize("machines", [1, 2, 4])
def test_each_machine_reads_its_share_of_the_bytes(server, tars, index, machines, monkeypatch, tmp_path):
    """Every machine has a cache of its own; all of them together read the batches of one epoch."""
    whole = sum(tar.stat().st_size for tar in tars.glob("*.tar"))
    read: list[str] = []
    for rank in range(machines):
        monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / str(rank)))
        source = Shards(
            f"s3://lanes/{{00000..{len(SAMPLES) - 1:05}}}.tar",
            index=str(index),
            window=2,
            storage_options=KEYS | {"endpoint_url": server.url},
        )
        stream = TrainingStream({"captions": Task(source)}, seed=0, lanes=4)
        server.sent.clear()
        for start in range(0, stream.order.epoch_length(), BATCH):
            for position in stream.order.split(range(start, start + BATCH), rank, machines):
                sample = stream[position]
                assert sample.images[0].content()  # type: ignore[attr-defined]
                read.append(sample.id)
        while source.store._process_state.pending:
            time.sleep(0.01)
        assert 0.9 * whole / machines < sum(server.sent.values()) <= 1.1 * whole / machines
    assert len(set(read)) == sum(SAMPLES)
