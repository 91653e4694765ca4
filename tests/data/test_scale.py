"""The arithmetic of scale: a billion samples in 10,000 shards, on 1,024 ranks, in little time and memory."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from frozenvl.data.epochs import EpochStream
from frozenvl.data.order import Order
from frozenvl.data.shards.index import Shard, end_of_index
from frozenvl.data.shards.keys import parse_keys
from frozenvl.data.shards.rows import ROW, Form
from frozenvl.data.shuffle import Groups
from frozenvl.data.sources.shards import Shards

SHARDS, EACH, RANKS, BATCH = 10_000, 100_000, 1024, 4096
MAX_BYTES = 200 * 10**6
LATE = 7 * SHARDS * EACH // 2
"""A position in the middle of the fourth epoch."""


@pytest.fixture
def measured() -> Iterator[None]:
    """Fails a test that allocates more than `MAX_BYTES` at a time."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_BYTES


def batch_at(position: int) -> range:
    start = position // BATCH * BATCH
    return range(start, start + BATCH)


@pytest.mark.parametrize("groups", [None, Groups(range(0, SHARDS * EACH, 5))], ids=["pairs", "images"])
@pytest.mark.parametrize("lanes", [1, 128, RANKS])
def test_every_rank_knows_its_part_of_any_batch(measured, lanes, groups):
    order = Order([[EACH] * SHARDS], [1], 0, [4], [groups], lanes)
    (stream,) = order.sets
    assert 0 <= order.epoch_length() - SHARDS * EACH < (5 if groups else 1) * lanes
    positions = batch_at(LATE)
    parts = [order.split(positions, rank, RANKS) for rank in range(RANKS)]
    assert {len(part) for part in parts} == {BATCH // RANKS}
    assert sorted(position for part in parts for position in part) == list(positions)
    for rank in range(0, RANKS, 64):
        _, (pair, other) = zip(*map(order.__getitem__, parts[rank][:2]), strict=True)
        shards = stream.near(parts[rank][0])[1]
        assert 0 <= pair < SHARDS * EACH and pair // EACH in shards[:4] and pair != other
        if lanes > 1:
            assert set(shards) <= set(stream.lane_shards(rank * lanes // RANKS))  # type: ignore[union-attr]
        assert stream.replacement(parts[rank][0], 1) // EACH in shards[:4]
        assert {found // EACH for found in islice(stream.others(parts[rank][0]), 5)} <= set(shards[:4])


def test_an_epoch_reads_every_shard_window_by_window(measured):
    order = EpochStream([EACH] * SHARDS, 4, 0)
    starts = range(3 * order.length, 4 * order.length, 4 * EACH)
    read = [shard for start in starts for shard in order.near(start)[1][:4]]
    assert sorted(read) == list(range(SHARDS))


def test_lanes_share_the_shards_of_an_epoch(measured):
    (stream,) = Order([[EACH] * SHARDS], [1], 0, [4], lanes=RANKS).sets
    read = np.zeros(SHARDS, int)
    for lane in range(RANKS):
        read[stream.lane_shards(lane)] += 1  # type: ignore[union-attr]
    assert read.min() == 1 and read.max() == 2 and read.sum() < SHARDS + RANKS


WRITTEN = (0, 6_543, SHARDS - 1)


@pytest.fixture
def index(tmp_path) -> Path:
    """Index of all shards, a sparse file of 50 GB; the rows of the shards `WRITTEN` are there."""
    rows = np.zeros(EACH, ROW)
    rows["image"], rows["texts"], rows["form"] = 512, 1, Form.TEXT
    write_sparse(tmp_path / "index.frozenvl", dict.fromkeys(WRITTEN, rows))
    return tmp_path / "index.frozenvl"


def test_a_sample_of_a_billion_is_found_in_its_shard(index, measured):
    source = Shards(f"s3://bucket/{{00000..{SHARDS - 1:05}}}.tar", index=str(index))
    assert len(source) == source.pairs == SHARDS * EACH
    order = Order([source.shard_sizes], [1], 0, [source.window], lanes=128)
    assert order.epoch_length() == SHARDS * EACH  # a multiple of 128
    for shard in WRITTEN:
        for row in (0, 77_777, EACH - 1):
            example, target = source.pair(shard * EACH + row)
            assert (example, target) == (shard * EACH + row, 0)
            image = source[example].image
            assert (image.url, image.offset) == (f"s3://bucket/{shard:05}.tar", 512)


def write_sparse(path: Path, rows: dict[int, np.ndarray]) -> None:
    """Writes the index of all shards, with the rows of some of them; the other rows are holes."""
    size = EACH * ROW.itemsize
    shards = [
        Shard(
            name=f"{number:05}.tar", size=10**9, mtime_ns=None, sha256=None, rows=EACH, pairs=EACH, most_texts=1,
            coco=0, at=number * size, key_bytes=0, notes={},
        )
        for number in range(SHARDS)
    ]  # fmt: skip
    with path.open("wb") as file:
        for shard, content in rows.items():
            os.pwrite(file.fileno(), content.tobytes(), shard * size)
        file.seek(SHARDS * size)
        file.write(end_of_index(shards, parse_keys()))
