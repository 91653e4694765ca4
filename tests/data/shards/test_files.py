"""Expansion of shard names to tars, and the location of their index."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import fsspec
import pytest
from shard_files import to_former_format
from tars import picture, sample, write_tar

from frozenvl.data.shards.files import INDEX, expand
from frozenvl.data.shards.index import TarIndex
from frozenvl.data.shards.pack import pack
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.sources.shards import Shards
from frozenvl.util.errors import UserError

pytestmark = pytest.mark.usefixtures("cache")


def names(urls: list[str]) -> list[str]:
    return [Path(url).name for url in urls]


def test_names_expand_to_lists_of_tars(folder, monkeypatch):
    every = ["00000.tar", "00001.tar", "00002.tar", "00003.tar"]
    assert names(expand(str(folder))) == names(expand(f"{folder}/*.tar")) == every
    assert names(expand(f"{folder}/{{00002..00003}}.tar")) == every[2:]
    assert names(expand(f"{folder}/0000{{3,1}}.tar")) == ["00003.tar", "00001.tar"]
    assert names(expand([f"{folder}/00003.tar", f"file://{folder}/00000.tar"])) == ["00003.tar", "00000.tar"]
    assert expand("s3://b/{a,b}-{08..10}.tar")[2:4] == ["s3://b/a-10.tar", "s3://b/b-08.tar"]
    monkeypatch.chdir(folder.parent)
    assert expand("s") == expand(str(folder))


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        ("nowhere", "nowhere: no such shard"),
        ("*.nothing", "no shards; give a folder"),
        ([], "no shards"),
        (".", r"no .tar files in this folder"),
        ("z", r"x.tar.gz: compressed.*unpack"),
        (["s/00000.tar", "s"], "00000.tar: this shard is listed twice"),
        ("s/0000{2..7}.tar", "00004.tar: no such shard"),
        ("parquet", "parquet: no .tar files in this folder; .* use HuggingFaceData"),
        ("parquet/data/0.parquet", "0.parquet: Parquet, but"),
        ("parquet/data/*.parquet", "Parquet, but"),
        ("s3://b/c/0.parquet", "s3://b/c/0.parquet: Parquet, but"),
    ],
    ids=str,
)
def test_missing_shards_are_one_error_line(folder, monkeypatch, shards, message):
    monkeypatch.chdir(folder.parent)
    (folder.parent / "z").mkdir()
    (folder.parent / "z" / "x.tar.gz").touch()
    (folder.parent / "parquet" / "data").mkdir(parents=True)
    (folder.parent / "parquet" / "data" / "0.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=message):
        Shards(shards)


def built(folder: Path) -> int:
    """Returns the inode of the index, which changes if the index is rebuilt."""
    return (folder / INDEX).stat().st_ino


def test_the_index_is_built_once(folder, capfd):
    Shards(str(folder))
    before = built(folder)
    Shards(str(folder))
    part = Shards(f"{folder}/0000{{3,0}}.tar")
    assert [part[i].id for i in (0, 2)] == ["00003/000000007", "00000/000000000"]
    assert built(folder) == before and not list((folder.parent / "home").rglob("*.frozenvl"))


def test_the_index_of_some_shards_of_a_folder_is_in_the_cache(folder, cache):
    Shards(f"{folder}/0000{{0..1}}.tar")
    assert not (folder / INDEX).exists() and len(list(cache.glob("indices/*.frozenvl"))) == 1


def test_the_index_of_a_read_only_folder_is_in_the_cache(folder, cache, monkeypatch):
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != folder and access(path, mode)
    )  # tests may run as root
    assert len(Shards(str(folder))) == 9
    assert not (folder / INDEX).exists() and len(list(cache.glob("indices/*.frozenvl"))) == 1


def test_an_outdated_index_is_rebuilt(folder):
    Shards(str(folder))
    write_tar(folder / "00000.tar", sample(5, "new"))
    source = Shards(str(folder))
    assert (len(source), source[0].references) == (7, ("new",))
    write_tar(folder / "00004.tar", sample(6, "more"))
    assert len(Shards(str(folder))) == 8
    os.utime(folder / "00000.tar", ns=(1, 1))
    before = built(folder)
    Shards(str(folder))
    assert built(folder) != before
    (folder / INDEX).write_bytes(b"damaged")
    assert len(Shards(str(folder))) == 8


def test_a_given_index_is_used_and_never_overwritten(folder, tmp_path):
    path = tmp_path / "elsewhere" / "i"
    assert len(Shards(str(folder), index=str(path))) == 9
    assert len(TarIndex(path).shards) == 4 and not (folder / INDEX).exists()
    before = path.read_bytes()
    write_tar(folder / "00000.tar", sample(5, "new"))
    with pytest.raises(
        UserError, match=r"i: 00000.tar has changed .*; make it again with `frozenvl data index"
    ):
        Shards(str(folder), index=str(path))
    write_tar(folder / "00009.tar", sample(5))
    with pytest.raises(UserError, match=r"i: knows no shard 00009.tar"):
        Shards(str(folder), index=str(path))
    assert path.read_bytes() == before


def test_an_index_made_with_other_names_is_not_used(folder, cache):
    for path in folder.glob("*.tar"):
        write_tar(path, [("0.jpg", picture()), ("0.txt", "from txt"), ("0.json", {"title": "from title"})])
    titles = lambda **more: [each.references[0] for each in Shards(str(folder), text_key="title", **more)]
    assert Shards(str(folder))[0].references == ("from txt",)
    before = built(folder)
    assert titles() == titles() == ["from title"] * 4
    assert Shards(str(folder))[0].references == ("from txt",) and built(folder) == before
    assert len(list(folder.glob("index*.frozenvl"))) == 2
    assert Shards(f"{folder}/0000{{0..1}}.tar", text_key="title")[0].references == ("from title",)
    with pytest.raises(
        UserError, match=r'made with image_key "jpg;.*" and text_key "txt;.*"; make it again .* with'
    ):
        titles(index=str(folder / INDEX))
    assert built(folder) == before


def test_an_index_of_the_former_format_is_rebuilt_unless_its_tars_are_packed(folder, tmp_path):
    Shards(str(folder))
    former = to_former_format(folder / INDEX)
    (tmp_path / "given").write_bytes(former)
    with pytest.raises(UserError, match=r"given: made by an earlier version of frozenvl; make it again"):
        Shards(str(folder), index=str(tmp_path / "given"))
    assert len(Shards(str(folder))) == 9 and (folder / INDEX).read_bytes() != former
    scenes = SceneCaptions(size=3, resolution=64)
    pack(scenes, tmp_path / "p")
    former = to_former_format(tmp_path / "p" / INDEX)
    packed = Shards(str(tmp_path / "p"))
    assert (packed.pairs, packed[2].references) == (scenes.pairs, scenes[2].references)
    assert packed[2].image.name == "000000/000000002.png"
    assert (tmp_path / "p" / INDEX).read_bytes() == former


def _open(folder: str, to) -> None:
    to.put(len(Shards(folder)))


def test_processes_that_start_together_share_one_index(folder):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    processes = [context.Process(target=_open, args=(str(folder), queue)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [queue.get() for _ in processes] == [9] * 4
    for process in processes:
        process.join()
    assert [path.name for path in folder.iterdir() if path.suffix == ".tmp"] == []


def test_remote_shards_are_listed_indexed_and_read(folder, cache):
    system = fsspec.filesystem("memory")
    for path in folder.glob("*.tar"):
        system.pipe(f"/listed/{path.name}", path.read_bytes())
    local = Shards(str(folder))
    for name in ("memory://listed", "memory://listed/*.tar", "memory:///listed/0000{0..3}.tar"):
        source = Shards(name)
        assert [source[i].id for i in range(9)] == [local[i].id for i in range(9)]
        assert source[5].image.content() == local[5].image.content()
    given = Shards("memory://listed", index=str(folder / INDEX))  # made from local shards
    assert [given[i].references for i in range(9)] == [local[i].references for i in range(9)]
    assert len(list(cache.glob("indices/*.frozenvl"))) == 1
    with pytest.raises(UserError, match="nowhere://x: cannot be listed"):
        Shards("nowhere://x")
    with pytest.raises(UserError, match="no shards"):
        Shards("memory://other")
