"""Index file: the positions of images and texts in tars."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from shard_files import scanned
from tars import folder_of_shards

from frozenvl.data.shards.index import TarIndex, build_index
from frozenvl.data.shards.keys import parse_keys
from frozenvl.data.shards.store import ShardStore
from frozenvl.util.errors import RunError, UserError
from frozenvl.util.files import whole_file


def build(folder: Path, **settings) -> TarIndex:
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    return build_index(folder / "i", urls, ShardStore(urls), parse_keys(), **settings)


def test_an_index_holds_what_was_scanned(tmp_path):
    folder = folder_of_shards(tmp_path / "s", [3, 0, 2])
    index = build(folder)
    assert [(shard.rows, shard.pairs, shard.most_texts) for shard in index.shards] == [
        (3, 3, 1),
        (0, 0, 0),
        (2, 2, 1),
    ]
    for shard in index.shards:
        found = scanned(folder / shard.name)
        assert np.array_equal(index.rows(shard), found.rows)
        assert [index.key(shard, row) for row in range(shard.rows)] == found.keys


def test_an_index_is_memory_mapped_and_pickled_as_a_path(tmp_path):
    index = build(folder_of_shards(tmp_path / "s", [200]))
    sent = pickle.dumps(index)
    assert len(sent) < 300  # the path, not the rows
    rows = pickle.loads(sent).rows(index.shards[0])
    assert not rows.flags.owndata and not rows.flags.writeable
    assert len(rows) == 200


def test_a_broken_shard_is_an_error_unless_allow_broken(tmp_path):
    folder = folder_of_shards(tmp_path / "s", [3, 3])
    path = folder / "00001.tar"
    path.write_bytes(path.read_bytes()[:4200])
    with pytest.raises(UserError, match=r"00001.tar: is truncated at byte 4200; download it again"):
        build(folder)
    assert [each.name for each in folder.iterdir() if each.suffix != ".tar"] == []
    lines: list[str] = []
    index = build(folder, allow_broken=True, say=lines.append)
    assert [shard.rows for shard in index.shards] == [3, 2]
    assert "00001.tar: is truncated at byte 4200" in lines[0] and "1 samples without an image" in lines[1]


@pytest.mark.parametrize(
    "data", [b"", b"x" * 100, b"\xff" * 8 + b"FVLINDX1", b"[]" + (2).to_bytes(8, "little") + b"FVLINDX1"]
)
def test_a_file_that_is_no_index_is_refused(tmp_path, data):
    (tmp_path / "i").write_bytes(data)
    with pytest.raises(UserError, match="i: not an index of this version; make it again"):
        TarIndex(tmp_path / "i")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), whole_file(path) as file:
        file.write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(RunError, match="cannot be written"), whole_file(path / "y"):
        pass
