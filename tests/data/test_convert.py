"""Converting any source to public layouts, and reading the same examples back."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from every_source import EVERY, VIDEOS, small
from filelock import FileLock
from parquet import images, write_parquet
from tars import picture
from toy import Broken, Rows, Square, question

from frozenvl.data.convert import Converted, Layout, convert
from frozenvl.data.registry import build_source, source_classes
from frozenvl.data.shards.record import as_record, from_record
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.huggingface import HuggingFaceData
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageFile, StoredImage
from frozenvl.util.errors import RunError, UnreadableImage, UserError
from frozenvl.video import Video

LAYOUTS = get_args(Layout)
CAPTIONS = LAYOUTS[:-1]
"""Layouts of captions and questions."""
FILES = ("coco", "table", "parquet")
pytestmark = pytest.mark.usefixtures("cache", "arrow_cache")


def read(made: Converted) -> Source:
    """Reads a converted data set with the source that it names."""
    if made.reader[0] == "TableCaptions" and "TableCaptions" not in source_classes():
        return table(Path(made.reader[2]))
    return build_source(made.reader[0], made.reader[1:])


def table(path: Path) -> Source:
    """Reads a converted table: rows of one image are joined, rows with a record are an example each."""
    examples: dict[str, Example] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            image = ImageFile(path.parent / "images" / row["image"])
            image_id = photograph_id(path.parent / "images", row["image"])
            if row.get("frozenvl"):
                examples[row["id"]] = from_record(json.loads(row["frozenvl"]), image, image_id)
            else:
                first = examples.setdefault(row["id"], Example(row["id"], image, image_id))
                examples[row["id"]] = replace(first, references=(*first.references, row["caption"]))
    made = Rows(*examples.values())
    made.targets_per_example = [len(example.targets) for example in examples.values()]
    return made


def fields(source: Source) -> list[dict[str, Any]]:
    return [as_record(source[index]) | {"image_id": ""} for index in range(len(source))]


def pixels(source: Source) -> list[bytes]:
    return [source[index].image.read().tobytes() for index in range(len(source))]


def photographs(source: Source) -> list[int]:
    """Returns for each example the index of the first of the same photograph."""
    ids = [source[index].image_id for index in range(len(source))]
    return [ids.index(key) for key in ids]


def test_every_source_has_a_small_data_set():
    assert source_classes().keys() == EVERY.keys()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [name for name in EVERY if name not in VIDEOS])
def test_a_converted_source_gives_the_same_examples(tmp_path, name, layout):
    source = small(name, tmp_path)
    if layout == "llava" and not source[0].turns:
        with pytest.raises(UserError, match="is no conversation, which is what this format holds"):
            convert(source, tmp_path / "made", layout)
        return
    made = convert(source, tmp_path / "made", layout)
    again = read(made)
    assert made.examples == len(source) and not made.left_out
    assert fields(again) == fields(source) and pixels(again) == pixels(source)
    assert photographs(again) == photographs(source)
    assert [again.pair(n) for n in range(again.pairs)] == [source.pair(n) for n in range(source.pairs)]
    for one, other in zip(source, again, strict=True):
        if one.image_id.startswith(("coco/", "vg/", "scenes/")):
            assert other.image_id == one.image_id


@pytest.mark.parametrize("name", VIDEOS)
def test_a_converted_source_of_videos_gives_the_same_clips(tmp_path, name):
    source = small(name, tmp_path)
    made = convert(source, tmp_path / "made", "webdataset")
    again = read(made)
    assert made.reader == ["VideoShards", "--shards", str(tmp_path / "made")] and not made.left_out
    assert fields(again) == fields(source) and pixels(again) == pixels(source)
    assert [example.image.frames for example in again] != [example.image.frames for example in source]
    digests = [[[frame.digest for frame in e.image.frames] for e in data] for data in (source, again)]
    assert digests[0] == digests[1]
    with pytest.raises(UserError, match="coco holds images, and these are videos; choose webdataset"):
        convert(source, tmp_path / "coco", "coco")


def test_a_video_of_images_has_no_file_to_convert(tmp_path):
    source = Rows(Example("7", Video([Square("a.png"), Square("b.png")]), "7", ("plain",)))
    with pytest.raises(UserError, match="a video of several images has no file to copy"):
        convert(source, tmp_path / "made", "webdataset")


AWKWARD = [
    Example("", Square("a.png"), "a.png", ("no id",)),
    Example(" 7 ", Square("b.png"), "b.png", ("spaces around the id",)),
    Example("8", Square("c.png"), "c.png", ("two\nlines", "  spaces ", "")),
    Example("9", Square("d.png"), "d.png", ('quotes " and, commas; and\ttabs', "\ud800 alone")),
    Example("10", Square("e.png"), "photographs/of/others", ("plain",)),
    Example("11", Square("000000000012.png"), "elsewhere/12", ("named like COCO's",)),
    Example("12", Square("f.png"), "f.png", ("[a list]", "['a list']")),
    Example("\ud800", Square("g.png"), "\ud800", ("plain",)),
    Example(
        "14",
        Square("h.png"),
        "h.png",
        ("b", "a"),
        "which?\n",
        "a",
        {"k": "v"},
        {"a": 0.25, "b": 1.0},
        ("a", "b"),
    ),
    Example("15", Square("i.png"), "i.png", (), "withheld?"),
    Example("16", Square("j.png"), "j.png"),
    Example("17", Square("a.png"), "a.png", ("the first image again",)),
]


@pytest.mark.parametrize("layout", CAPTIONS)
@pytest.mark.parametrize("order", [1, -1], ids=["captions first", "questions first"])
def test_awkward_examples_stay_the_same(tmp_path, layout, order):
    source = Rows(*AWKWARD[::order])
    source.targets_per_example = [len(example.targets) for example in source.examples]
    again = read(convert(source, tmp_path / "made", layout))
    assert fields(again) == fields(source) and pixels(again) == pixels(source)
    kept = {
        example.id: example.image_id for example in source.examples if example.id in ("10", "11", "\ud800")
    }
    assert {e.id: e.image_id for e in again if e.id in kept} == kept


def captioned(name: str, number: int = 0, data: bytes | None = None) -> Example:
    content = picture(number) if data is None else data
    return Example(
        str(number), StoredImage(name, f"{name}#{number}", lambda: content), f"x/{number}", ("a dog",)
    )


HOSTILE = {
    "up": "../../evil.jpg",
    "absolute": "/etc/evil.jpg",
    "windows": "..\\..\\evil.jpg",
    "drive": "C:evil.jpg",
    "dots": "..",
    "hidden": ".evil.jpg",
    "empty": "",
    "option": "--evil.jpg",
    "control": "e\nvil\0.jpg",
    "surrogate": "\udcff.jpg",
    "long": "ü" * 200 + ".jpg",
    "no suffix": "evil",
    "script": "evil.html",
}


@pytest.mark.parametrize("layout", FILES)
def test_a_hostile_name_writes_nothing_outside(tmp_path, layout):
    source = Rows(*(captioned(name, number) for number, name in enumerate(HOSTILE.values())))
    made = convert(source, tmp_path / "in" / "made", layout)
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "home", "arrow_cache"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["made"]
    again = read(made)
    assert pixels(again) == pixels(source)
    names = [example.image.name for example in again]
    if layout != "parquet":
        assert {path.name for path in (tmp_path / "in" / "made" / "images").iterdir()} == set(names)
        assert len(set(names)) == len(names)
    assert names[:3] == (
        ["evil.jpg"] * 3
        if layout == "parquet"
        else ["evil.jpg", "image000000001_evil.jpg", "image000000002_evil.jpg"]
    )
    assert names[3] == "image000000003.jpg" and names[11] == "evil.jpeg" and names[12] == "evil.html.jpeg"
    assert all(name.isprintable() and name.endswith((".jpg", ".jpeg")) for name in names)


@pytest.mark.parametrize("layout", FILES)
def test_questions_about_an_image_of_a_table_share_its_file(tmp_path, layout):
    columns = {"question": ["q", "r", "s"], "answer": ["a", "b", "c"], "question_id": [1, 2, 3]}
    rows = images(42, 42, 7, name="COCO_val2014_{:012d}.jpg")
    source = HuggingFaceData(str(write_parquet(tmp_path / "vqa.parquet", image=rows, **columns)))
    again = read(convert(source, tmp_path / "made", layout))
    assert fields(again) == fields(source) and [e.image_id for e in again] == ["coco/42", "coco/42", "coco/7"]
    if layout != "parquet":
        names = sorted(path.name for path in (tmp_path / "made" / "images").iterdir())
        assert names == ["COCO_val2014_000000000007.jpg", "COCO_val2014_000000000042.jpg"]


def test_names_that_differ_in_capitals_only_are_two_files(tmp_path):
    source = Rows(captioned("a.jpg", 0), captioned("A.JPG", 1), captioned("a.jpg", 2))
    convert(source, tmp_path / "made", "coco")
    names = sorted(path.name for path in (tmp_path / "made" / "images").iterdir())
    assert names == ["a.jpg", "image000000001_A.JPG", "image000000002_a.jpg"]


@pytest.mark.parametrize("layout", CAPTIONS)
def test_original_bytes_are_kept(tmp_path, layout):
    source = small("CocoCaptions", tmp_path)
    again = read(convert(source, tmp_path / "made", layout))
    assert [e.image.digest for e in again] == [e.image.digest for e in source]


@pytest.mark.parametrize("layout", ["coco", "table"])
def test_files_are_linked_where_that_is_asked_for(tmp_path, layout):
    source = small("CocoCaptions", tmp_path)
    convert(source, tmp_path / "copied", layout)
    convert(source, tmp_path / "linked", layout, link=True)
    for folder, links in (("copied", 1), ("linked", 2)):
        assert {path.stat().st_nlink for path in (tmp_path / folder / "images").iterdir()} == {links}
    origin = tmp_path / "CocoCaptions" / "images" / "a" / "x.jpg"
    assert (tmp_path / "linked" / "images" / "x.jpg").samefile(origin)


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_there_is_nothing_to_link_in_files_with_images(tmp_path, layout):
    with pytest.raises(UserError, match=f"{layout} holds the images in its own files.*leave out --link"):
        convert(small("ImageFolder", tmp_path), tmp_path / "made", layout, link=True)


@pytest.mark.parametrize("layout", CAPTIONS)
def test_an_unreadable_image_is_refused_or_left_out_and_listed(tmp_path, layout):
    torn = Broken()
    source = Rows(question(0), question(1, torn), question(2), question(3, torn))
    with pytest.raises(
        UnreadableImage, match=r"broken: not a readable image.*\(or leave such out with --skip-bad\)"
    ):
        convert(source, tmp_path / "made", layout)
    if layout != "webdataset":
        assert not [path for path in tmp_path.iterdir() if "made" in path.name]
    made = convert(source, tmp_path / "made", layout, skip_bad=True)
    assert made.examples == 2 and [line.split(":")[0] for line in made.left_out] == ["1", "3"]
    assert [example.id for example in read(made)] == ["q0", "q2"]


@pytest.mark.parametrize("layout", FILES)
def test_a_source_of_which_nothing_can_be_read_is_refused(tmp_path, layout):
    with pytest.raises(UnreadableImage, match=r"no image can be read; the first: 0: broken"):
        convert(Rows(question(0, Broken())), tmp_path / "made", layout, skip_bad=True)
    with pytest.raises(UserError, match="Rows: is empty; there is nothing to convert"):
        convert(Rows(), tmp_path / "made", layout)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("layout", FILES)
def test_ids_have_to_differ(tmp_path, layout):
    source = Rows(captioned("a.jpg", 7), captioned("b.jpg", 8), captioned("c.jpg", 7))
    with pytest.raises(UserError, match="examples 0 and 2 have the same id '7'"):
        convert(source, tmp_path / "made", layout)
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]


class Stops(Source):
    """Source that fails at its last example."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        if index == len(self.source) - 1:
            raise RunError("the disk is gone")
        return self.source[index]


@pytest.mark.parametrize("layout", FILES)
def test_an_interrupted_conversion_leaves_nothing(tmp_path, layout):
    source = Rows(*map(question, range(20)))
    with pytest.raises(RunError, match="the disk is gone"):
        convert(Stops(source), tmp_path / "made", layout)
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]
    assert convert(source, tmp_path / "made", layout).examples == 20


def test_a_killed_conversion_leaves_nothing_that_looks_complete(tmp_path):
    code = (
        "from frozenvl.data.sources.scenes import SceneCaptions\nfrom pathlib import Path\n"
        "from frozenvl.data.convert import convert\n"
        f"convert(SceneCaptions(size=500, resolution=64), Path({str(tmp_path / 'made')!r}), 'coco')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    partial = tmp_path / ".made.partial"
    while not list(partial.glob("images/*.png")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert partial.is_dir() and not (tmp_path / "made").exists()
    source = small("SceneCaptions", tmp_path)
    convert(source, tmp_path / "made", "coco")
    assert not partial.exists()
    files = sorted(path.name for path in (tmp_path / "made").rglob("*"))
    assert files == ["captions.json", "images", *(f"scene-train-{n:06}.png" for n in range(4))]


@pytest.mark.parametrize("layout", FILES)
def test_a_folder_with_something_in_it_is_left_alone(tmp_path, layout):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"made: is not empty \(it holds mine.txt\)"):
        convert(Rows(question(0)), tmp_path / "made", layout)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine.txt"]


def test_two_conversions_at_once_are_refused(tmp_path):
    (tmp_path / ".made.partial").mkdir()
    with (
        FileLock(tmp_path / ".made.partial" / ".lock"),
        pytest.raises(UserError, match="made: another process is writing it"),
    ):
        convert(Rows(question(0)), tmp_path / "made", "coco")


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="unknown format 'x'; choose one of coco, table, webdataset, parquet"):
        convert(Rows(question(0)), tmp_path / "made", "x")


@pytest.mark.parametrize("layout", CAPTIONS)
def test_progress_is_reported_and_each_image_is_read_once(tmp_path, layout, monkeypatch):
    shared, reads, read_square = Square("shared.png"), [], Square.read
    monkeypatch.setattr(
        Square, "read", lambda image, side=None: reads.append(image.name) or read_square(image)
    )
    done: list[tuple[int, int]] = []
    convert(
        Rows(question(0, shared), question(1, shared), question(2)),
        tmp_path / "made",
        layout,
        report=lambda *now: done.append(now),
    )
    assert done[0] == (0, 3) and done[-1] == (3, 3) and done == sorted(done)
    assert sorted(set(reads)) == ["2.png", "shared.png"]
    if layout in ("coco", "table"):
        assert len(list((tmp_path / "made" / "images").iterdir())) == 2
