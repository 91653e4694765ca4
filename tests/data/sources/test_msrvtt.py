"""MSR-VTT as published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clips import videos
from published_layouts import CONTENTS, recognised

from frozenvl.data.detect import advice
from frozenvl.data.sources.msrvtt import MSRVTT
from frozenvl.util.errors import UserError

VIDEOS = [
    {
        "category": 9,
        "url": "x",
        "video_id": f"video{n}",
        "start time": 1.5,
        "end time": 9.0,
        "split": split,
        "id": n,
    }
    for n, split in enumerate(["train", "validate", "test", "train"])
]
SENTENCES = [{"caption": f"a man \n{n}", "video_id": f"video{n % 4}", "sen_id": n} for n in range(7)]
CONTENT = {"info": {}, "videos": VIDEOS, "sentences": SENTENCES}


def read(folder, content=CONTENT, **options):
    (folder / "data.json").write_text(json.dumps(content))
    return MSRVTT(str(folder / "data.json"), videos(folder, *(f"video{n}.mp4" for n in range(4))), **options)


def test_a_split_is_read(tmp_path):
    source = read(tmp_path)
    assert [(e.id, e.image.name, e.references, e.kind) for e in source] == [
        ("video0", "video0.mp4", ("a man 0", "a man 4"), {"category": "9"}),
        ("video3", "video3.mp4", ("a man 3",), {"category": "9"}),
    ]
    assert source.notes == {"videos of other splits": 2} and source.pairs == 3
    assert [e.id for e in read(tmp_path, split="validate+test")] == ["video1", "video2"]


def test_named_clips_are_read_whatever_their_split(tmp_path):
    (tmp_path / "names.txt").write_text("video2\nvideo0\n\n")
    assert [e.id for e in read(tmp_path, names=str(tmp_path / "names.txt"))] == ["video0", "video2"]
    (tmp_path / "1k.csv").write_text("key,video_id,sentence\nret0,video2,a dog barks\nret1,video3,it\n")
    source = read(tmp_path, names=str(tmp_path / "1k.csv"))
    assert [(e.id, e.references) for e in source] == [("video2", ("a dog barks",)), ("video3", ("it",))]
    (tmp_path / "9k.csv").write_text("video_id,\nvideo1,\n")
    assert [e.references for e in read(tmp_path, names=str(tmp_path / "9k.csv"))] == [("a man 1", "a man 5")]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"split": "val"}, "no video is in split 'val'; choose another"),
        ({"sentences": SENTENCES[1:3]}, {}, r"videos\[0\] .*: has no caption"),
        ({"sentences": [*SENTENCES, {"video_id": "video9", "caption": "x"}]}, {}, "1 videos that it does not list"),
        ({"sentences": [*SENTENCES, {"video_id": "video0"}]}, {}, r"sentences\[7\].*: has no 'caption'"),
        ({"videos": [*VIDEOS, VIDEOS[0]]}, {}, "has no caption|video video0 stands twice"),
        ({"videos": "x"}, {}, "not MSR-VTT's JSON"),
    ],
)  # fmt: skip
def test_bad_records_are_refused(tmp_path, change, options, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, CONTENT | change, **options)


def test_names_that_it_lacks_are_refused(tmp_path):
    (tmp_path / "names.txt").write_text("video2\nvideo77\n")
    with pytest.raises(UserError, match=r"names.txt: names 2 videos, and .*data.json has 1 of them"):
        read(tmp_path, names=str(tmp_path / "names.txt"))


def test_it_recognises_its_own_files_only():
    assert recognised(MSRVTT) == {"MSR-VTT"}
    assert "use MSRVTT" in advice(Path("x.json"), CONTENTS["MSR-VTT"])
