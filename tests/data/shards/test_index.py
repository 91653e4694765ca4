"""Index file: the positions of images and texts in tars."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from shard_files import scanned, to_former_format
from tars import folder_of_shards, picture, sample, write_tar

from frozenvl.data.shards.index import MAGIC, TarIndex, build_index
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


NAMES = [
    *(("a.b0.jpg", "a.b0.txt"), ("a.b1.jpg", "a.b1.txt")),  # split at the first dot
    *(("0.photo", "0.cap"), ("._0.jpg", "._0.txt"), ("README", "LICENSE")),
]


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_a_tar_of_which_no_member_is_used_is_refused_with_their_names(tmp_path, names):
    folder = folder_of_shards(tmp_path / "s", [2, 0])
    write_tar(folder / "00002.tar", [(name, picture()) for name in names])
    with pytest.raises(
        UserError, match=r"00002.tar: none of its 2 members is an image or a text \("
    ) as error:
        build(folder)
    line = str(error.value)
    assert "name their suffixes in image_key and text_key, or rename the members" in line and "\n" not in line
    suffix = names[0].partition(".")[2]
    if names[0].startswith("a."):
        assert f"({suffix}: 1, " in line and f"x.{suffix} is sample x, member {suffix}" in line
    elif names[0] == "0.photo":
        assert line.split("(")[1].startswith("photo: 1, cap: 1)") and "first dot" not in line
    assert not (folder / "i").exists()


def test_lines_are_counted_beside_the_pairs(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    listed = [("9.jpg", picture()), ("9.json", {"captions": ["a", "b"]})]
    write_tar(folder / "a.tar", [*sample(0, "a\nb\nc"), *sample(1), *listed])
    (shard,) = build(folder).shards
    assert (shard.rows, shard.pairs, shard.most_texts, shard.extra_lines) == (3, 4, 2, 2)
    assert shard.notes == {"texts of several lines": 1}


def test_the_names_that_an_index_was_made_with_are_in_it(tmp_path):
    folder = folder_of_shards(tmp_path / "s", [1])
    index = build(folder)
    assert index.keys == pickle.loads(pickle.dumps(index)).keys == parse_keys()
    assert index.fits(parse_keys(), index.shards)
    assert not index.fits(parse_keys(text_key="title"), index.shards)
    assert not index.fits(parse_keys(image_key="png;jpg"), index.shards)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "other"])
def test_an_index_of_the_former_format_fits_packed_tars_only(tmp_path, packed):
    folder = folder_of_shards(tmp_path / "s", [3, 2])
    rows = build(folder, checksums=["0" * 64] * 2 if packed else None).shards
    to_former_format(folder / "i")
    index = TarIndex(folder / "i")
    assert index.keys is None and [shard.rows for shard in index.shards] == [shard.rows for shard in rows]
    assert [shard.extra_lines for shard in index.shards] == [0, 0]
    assert index.shards[0].suffixes[index.rows(index.shards[0])["suffix"][0]] == "jpg"
    assert index.fits(parse_keys(), index.shards) is packed
    assert not index.fits(parse_keys(text_key="title"), index.shards)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"x" * 100, b"\xff" * 8 + MAGIC, b"[]" + (2).to_bytes(8, "little") + MAGIC),
        b'{"shards": []}' + (14).to_bytes(8, "little") + MAGIC,
    ],
    ids=range(5),
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
