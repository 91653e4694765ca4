"""Counts the bytes that machines read of an epoch at an S3 server, with shards in lanes and without.

`python benchmarks/data_lanes.py` makes its own data (100 MB), starts a local S3 server (moto), and
prints a table in Markdown. Each simulated machine is one rank with a cache folder of its own that holds all shards;
all machines together read every sample of one epoch. The value is the share of the data set's bytes that the machine
with the most of them was sent.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_material import SMALL, Material
from data_table import Line, print_table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from frozenvl.data.sources.shards import Shards
from frozenvl.data.stream import Task, TrainingStream

LANES, BATCH, SHARDS = 8, 64, 101
KEYS = {"key": "test", "secret": "test"}


class CountedServer:
    """Local S3 server that counts the bytes of its answers to GET."""

    def __init__(self) -> None:
        self.sent = 0
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.options = KEYS | {"endpoint_url": f"http://127.0.0.1:{self._server.server_port}"}

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        for part in self._app(environ, start_response):
            with self._lock:
                self.sent += len(part) if environ["REQUEST_METHOD"] == "GET" else 0
            yield part

    def stop(self) -> None:
        self._server.shutdown()


class Quiet(WSGIRequestHandler):
    """Request handler that logs nothing."""

    def log_request(self, *_: Any) -> None:
        """Does nothing."""


def read_epoch(source: Shards, lanes: int, rank: int, machines: int) -> int:
    """Reads a rank's part of each batch of an epoch; returns the number of samples."""
    stream = TrainingStream({"captions": Task(source)}, seed=0, lanes=lanes)
    count = 0
    for start in range(0, stream.order.epoch_length(), BATCH):
        for position in stream.order.split(range(start, start + BATCH), rank, machines):
            stream[position].images[0].content()  # type: ignore[attr-defined]
            count += 1
    while source.store._process_state.pending:
        time.sleep(0.01)
    return count


def lanes(folder: Path, shards: int = SHARDS, samples: int = 64) -> list[Line]:
    """Measures data of `shards` tars with `samples` samples each; returns its lines of the table."""
    import s3fs

    material = Material(folder / "lanes", SMALL, 16, shards, samples)
    whole = sum(Path(url).stat().st_size for url in material.urls)
    index = Shards(str(material.folder)).index.path
    server = CountedServer()
    store = s3fs.S3FileSystem(skip_instance_cache=True, **server.options)
    store.mkdir("bucket")
    for url in material.urls:
        store.put_file(url, f"bucket/{Path(url).name}")
    lines = []
    for machines, count in ((1, LANES), (2, LANES), (4, LANES), (4, 1)):
        sent = []
        for rank in range(machines):
            os.environ["FROZENVL_HOME"] = str(folder / f"machine-{machines}-{count}-{rank}")
            pattern = f"s3://bucket/{{00000..{shards - 1:05}}}.tar"
            source = Shards(pattern, index=str(index), storage_options=server.options)
            server.sent = 0
            read_epoch(source, count, rank, machines)
            sent.append(server.sent)
        what = f"{count} lanes" if count > 1 else "no lanes"
        lines.append(
            Line(
                f"bytes of an epoch that each of {machines} machines reads, {what}",
                f"{max(sent) / 1e6:.1f} MB",
                f"{whole / 1e6:.1f} MB in all",
                max(sent) / whole,
                f"≤ {1.1 / machines if count > 1 else 1.1:.3f}",
            )
        )
    server.stop()
    return lines


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as where:
        print_table(lanes(Path(where)))
