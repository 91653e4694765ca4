"""Packing of sources into tars, and resuming an interrupted pack."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import webdataset
from filelock import FileLock
from PIL import Image
from tars import picture

from frozenvl.data.shards.index import TarIndex
from frozenvl.data.shards.pack import STATE, pack
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.conceptual import ConceptualCaptions
from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.data.sources.shards import Shards
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import RunError, UnreadableImage, UserError

FILES = {
    "a.JPG": picture(1),
    "b.png": picture(2, kind="PNG"),
    "c": picture(3, kind="WEBP"),
    "d.jpg": b"<html>",
}


class Files(Source):
    """Source of image files with two captions each."""

    targets_per_example = 2

    def __init__(self, folder: Path, names: list[str], caption: str = "caption") -> None:
        self.folder, self.names, self.caption = folder, names, caption

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Example:
        name = self.names[index]
        texts = (f"{self.caption} {index}", "ünïcode")
        return Example(f"id {name}", ImageFile(self.folder / name), f"photo {name}", texts, kind={"a": "b"})


@pytest.fixture
def files(tmp_path) -> Files:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return Files(folder, list(FILES))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def fields(source: Source) -> list[tuple]:
    examples = [source[index] for index in range(len(source))]
    return [(e.id, e.image_id, e.references, e.question, e.answer, e.kind, e.targets) for e in examples]


def test_packed_examples_are_the_same_examples(files, tmp_path):
    pack(files, tmp_path / "p", samples_per_shard=3)
    packed = Shards(str(tmp_path / "p"))
    assert fields(packed) == fields(files)
    assert packed.pairs == files.pairs and list(packed.shard_sizes) == [6, 2]
    assert [packed[i].image.content() for i in range(4)] == list(FILES.values())
    assert [packed[i].image.digest for i in range(4)] == [files[i].image.digest for i in range(4)]
    assert [packed[i].image.name.rpartition(".")[2] for i in range(4)] == ["jpg", "png", "webp", "jpg"]


def test_images_without_a_suffix_of_a_format_are_packed_with_theirs(tmp_path):
    contents = {"a.jfif": "JPEG", "b.img": "PNG", "c": "JPEG2000", "d.image": "WEBP"}
    for number, (name, kind) in enumerate(contents.items()):
        (tmp_path / name).write_bytes(picture(number, kind=kind))
    pack(Files(tmp_path, list(contents)), tmp_path / "p")
    packed = Shards(str(tmp_path / "p"))
    names = [packed[i].image.name for i in range(4)]
    assert [name.rpartition(".")[2] for name in names] == ["jfif", "png", "jp2", "webp"]


def test_the_webdataset_library_reads_packed_tars(files, tmp_path):
    pack(files, tmp_path / "p", samples_per_shard=3)
    shards = [str(tmp_path / "p" / f"00000{n}.tar") for n in (0, 1)]
    found = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [each["__key__"] for each in found] == [f"{n:09}" for n in range(4)]
    assert [each["txt"].decode() for each in found] == [f"caption {n}" for n in range(4)]
    assert [found[0]["jpg"], found[1]["png"], found[2]["webp"]] == list(FILES.values())[:3]
    assert json.loads(found[3]["json"])["frozenvl"]["references"] == ["caption 3", "ünïcode"]


def test_generated_images_are_packed_as_png_and_answers_as_text(tmp_path):
    source = SceneQuestions(size=5)
    pack(source, tmp_path / "p")
    packed = Shards(str(tmp_path / "p"))
    assert fields(packed) == fields(source)
    assert packed[3].image.read().tobytes() == source[3].image.read().tobytes()
    with tarfile.open(tmp_path / "p" / "000000.tar") as tar:
        assert tar.extractfile("000000003.txt").read().decode() == source[3].answer


def test_packing_again_what_was_packed_gives_the_same_bytes(files, tmp_path):
    pack(files, tmp_path / "p", samples_per_shard=3)
    pack(Shards(str(tmp_path / "p")), tmp_path / "q", samples_per_shard=3)
    first, second = contents(tmp_path / "p"), contents(tmp_path / "q")
    for name in ("000000.tar", "000001.tar"):
        assert first[name] == second[name]


def test_the_index_has_the_digests_and_can_be_copied_with_its_tars(files, tmp_path):
    pack(files, tmp_path / "p", samples_per_shard=3)
    index = TarIndex(tmp_path / "p" / "index.frozenvl")
    for shard in index.shards:
        assert shard.sha256 == hashlib.sha256((tmp_path / "p" / shard.name).read_bytes()).hexdigest()
    (tmp_path / "copy").mkdir()
    for name, data in contents(tmp_path / "p").items():
        (tmp_path / "copy" / name).write_bytes(data)
        os.utime(tmp_path / "copy" / name, ns=(1, 1))
    before = (tmp_path / "copy" / "index.frozenvl").stat().st_mtime_ns
    assert len(Shards(str(tmp_path / "copy"))) == 4
    assert (tmp_path / "copy" / "index.frozenvl").stat().st_mtime_ns == before


def test_a_shard_ends_once_it_exceeds_its_size(tmp_path):
    source = SceneCaptions(size=6, resolution=64)
    pack(source, tmp_path / "p", shard_bytes=20_000)
    packed = Shards(str(tmp_path / "p"))
    sizes = [shard.size for shard in packed.shards]
    assert len(sizes) > 1 and all(size > 20_000 for size in sizes[:-1]) and max(sizes) < 50_000
    assert fields(packed) == fields(source)


class Stops(Source):
    """Source that raises at an example once it is armed."""

    def __init__(self, source: Source, at: int) -> None:
        self.source, self.at, self.targets_per_example = source, at, source.targets_per_example
        self.armed = False

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        if self.armed and index == self.at:
            raise RunError("the disk is gone")
        return self.source[index]


@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupted_pack_resumes_to_the_same_tars(files, tmp_path, monkeypatch, at):
    pack(files, tmp_path / "whole", samples_per_shard=2)
    source = Stops(files, at)
    report = lambda done, total: setattr(source, "armed", True)
    with pytest.raises(RunError, match="the disk is gone"):
        pack(source, tmp_path / "p", samples_per_shard=2, report=report)
    left = {path.name for path in (tmp_path / "p").iterdir()}
    assert left == {STATE, ".pack.lock"} | ({"000000.tar"} if at == 3 else set())
    begun = []
    pack(files, tmp_path / "p", samples_per_shard=2, report=lambda done, total: begun.append(done))
    assert begun[0] == at // 2 * 2
    assert tars(tmp_path / "p") == tars(tmp_path / "whole")
    assert fields(Shards(str(tmp_path / "p"))) == fields(files)


def tars(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if name.endswith((".tar", ".json"))}


def test_a_killed_pack_resumes_to_the_same_tars(tmp_path):
    source = "from frozenvl.data.sources.scenes import SceneCaptions; source = SceneCaptions(size=60, resolution=64)"
    code = (
        f"{source}\nfrom pathlib import Path\nfrom frozenvl.data.shards.pack import pack\n"
        f"pack(source, Path({str(tmp_path / 'p')!r}), samples_per_shard=10)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "p" / "000001.tar").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list((tmp_path / "p").glob("*.tar"))) < 6  # otherwise it was not killed midway
    scenes = SceneCaptions(size=60, resolution=64)
    pack(scenes, tmp_path / "p", samples_per_shard=10)
    pack(scenes, tmp_path / "whole", samples_per_shard=10)
    assert tars(tmp_path / "p") == tars(tmp_path / "whole")
    assert [path.name for path in (tmp_path / "p").iterdir() if path.suffix == ".tmp"] == []


def test_a_finished_pack_is_not_written_again(files, tmp_path):
    pack(files, tmp_path / "p")
    before = contents(tmp_path / "p")
    pack(files, tmp_path / "p")
    assert contents(tmp_path / "p") == before
    (tmp_path / "p" / "index.frozenvl").unlink()  # as if killed just before it was written
    pack(files, tmp_path / "p")
    assert contents(tmp_path / "p").keys() == before.keys()


def test_a_folder_with_another_pack_or_other_files_is_refused(files, tmp_path):
    pack(files, tmp_path / "p")
    before = contents(tmp_path / "p")
    for other in (Files(files.folder, files.names, "other"), Files(files.folder, files.names[:3])):
        with pytest.raises(UserError, match="p: holds a pack of other data or in other shards"):
            pack(other, tmp_path / "p")
    with pytest.raises(UserError, match="p: holds a pack of other data or in other shards"):
        pack(files, tmp_path / "p", samples_per_shard=2)
    assert contents(tmp_path / "p") == before
    with pytest.raises(UserError, match=r"images: is not empty \(it holds "):
        pack(files, files.folder)
    assert contents(files.folder) == FILES
    (tmp_path / "p" / "000000.tar").unlink()
    with pytest.raises(UserError, match=r"p: its shard 000000.tar is gone"):
        pack(files, tmp_path / "p")
    (tmp_path / "p" / STATE).write_text('{"x": 1}')
    with pytest.raises(UserError, match=r"pack.json: not what a pack writes"):
        pack(files, tmp_path / "p")


def test_two_packs_at_once_are_refused(files, tmp_path):
    (tmp_path / "p").mkdir()
    with (
        FileLock(tmp_path / "p" / ".pack.lock"),
        pytest.raises(UserError, match="another process is packing into it"),
    ):
        pack(files, tmp_path / "p")


def test_a_missing_image_is_named_or_left_out_and_listed(files, tmp_path):
    (files.folder / "b.png").unlink()
    with pytest.raises(UnreadableImage, match=r"b.png: no such image.*--skip-bad"):
        pack(files, tmp_path / "p")
    state = pack(files, tmp_path / "p", skip_bad=True)
    assert len(state.left_out) == 1 and state.left_out[0].startswith(f"1: {files.folder}/b.png: ")
    assert json.loads((tmp_path / "p" / STATE).read_text())["left_out"] == state.left_out
    assert [row[0] for row in fields(Shards(str(tmp_path / "p")))] == ["id a.JPG", "id c", "id d.jpg"]


def test_a_malformed_row_is_left_out_and_listed(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "c.tsv").write_text("a\ta.png\nno tab\nb\ta.png\n")
    source = ConceptualCaptions(str(tmp_path / "c.tsv"), str(tmp_path))
    with pytest.raises(UnreadableImage, match="--skip-bad"):
        pack(source, tmp_path / "p")
    state = pack(source, tmp_path / "p", skip_bad=True)
    assert len(state.left_out) == 1 and state.left_out[0].startswith("1: ")
    packed = Shards(str(tmp_path / "p"))
    assert [packed[i].references for i in range(len(packed))] == [("a",), ("b",)]


def test_empty_sources_and_bad_limits_are_refused(files, tmp_path):
    with pytest.raises(UserError, match="nothing to pack"):
        pack(Files(tmp_path, []), tmp_path / "p")
    with pytest.raises(UserError, match="at least 1 sample"):
        pack(files, tmp_path / "p", samples_per_shard=0)


@pytest.mark.data
def test_real_coco_captions_survive_packing(data, tmp_path):
    folder = data / "coco_captions"
    source = CocoCaptions(
        str(folder / "annotations" / "captions_val2017_subset.json"), str(folder / "images")
    )
    pack(source, tmp_path / "p", samples_per_shard=40)
    packed = Shards(str(tmp_path / "p"))
    assert fields(packed) == fields(source)
    assert list(packed.image_ids()) == list(source.image_ids())
    assert packed[7].image.read().tobytes() == source[7].image.read().tobytes()
