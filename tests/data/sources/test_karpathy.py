"""Karpathy's splits of COCO and Flickr."""

from __future__ import annotations

import json

import pytest

from frozenvl.data.sources.karpathy import KarpathyCaptions
from frozenvl.util.errors import UserError

COCO = [
    {
        "filepath": f"{part}2014",
        "filename": f"COCO_{part}2014_{number:012d}.jpg",
        "imgid": place,
        "cocoid": number,
        "split": split,
        "sentences": [{"raw": f" {split} {number}\n{n}", "tokens": []} for n in range(2 + place % 2)],
    }
    for place, (part, number, split) in enumerate(
        [("train", 9, "train"), ("val", 73, "test"), ("val", 74, "restval"), ("val", 75, "val")]
    )
]
FLICKR = [{"filename": "a.jpg", "imgid": 4, "split": "train", "sentences": [{"raw": "A dog"}]}]


def read(folder, images, **more) -> KarpathyCaptions:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    return KarpathyCaptions(str(folder / "dataset.json"), str(folder / "images"), **more)


@pytest.mark.parametrize(
    ("split", "ids"),
    [
        ("train", ["9"]),
        ("restval", ["74"]),
        ("train+restval", ["9", "74"]),
        ("val", ["75"]),
        ("test", ["73"]),
    ],
)
def test_a_split_has_its_images(tmp_path, split, ids):
    source = read(tmp_path, COCO, split=split)
    assert [example.id for example in source] == ids
    assert (
        list(source.image_ids()) == [example.image_id for example in source] == [f"coco/{id}" for id in ids]
    )


def test_captions_are_read_and_counted(tmp_path):
    source = read(tmp_path, COCO, split="val")
    assert source[0].references == ("val 75 0", "val 75 1", "val 75 2") and source.pairs == 3


def test_images_are_found_below_their_filepath_or_in_one_folder(tmp_path):
    assert read(tmp_path, COCO)[0].image.path == tmp_path / "images" / "COCO_train2014_000000000009.jpg"
    (tmp_path / "images" / "train2014").mkdir()
    example = read(tmp_path, COCO)[0]
    assert example.image.path == tmp_path / "images" / "train2014" / "COCO_train2014_000000000009.jpg"
    assert example.image_id == "coco/9"


def test_flickr_has_neither_filepath_nor_cocoid(tmp_path):
    example = read(tmp_path, FLICKR)[0]
    assert (example.id, example.image.name) == ("4", "a.jpg")
    assert example.image_id == f"{tmp_path.name}/images/a.jpg"


@pytest.mark.parametrize(
    ("images", "split", "message"),
    [
        (FLICKR, "dev", "unknown split 'dev'; choose one of train, restval, "),
        ([FLICKR[0] | {"split": "dev"}], "train", "'split' is 'dev', not one of train, restval, val, test"),
        (FLICKR, "test", "no image is in split 'test'"),
        (FLICKR * 2, "train", "image 4 stands twice"),
        ([FLICKR[0] | {"sentences": []}], "train", r"images\[0\] .*: has no caption"),
        ([FLICKR[0] | {"sentences": [{"raw": " "}]}], "train", r"sentences\[0\]: 'raw' is an empty text"),
        (
            [{"filename": "a.jpg", "imgid": 4, "sentences": []}],
            "train",
            "Karpathy's JSON .no record of 'images' has 'split'",
        ),
        (["a.jpg"], "train", r"images\[0\] is a text .'a.jpg'., not an object"),
    ],
)
def test_a_bad_file_is_one_error_line(tmp_path, images, split, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, images, split=split)


@pytest.mark.parametrize("missing", ["dataset.json", "images"])
def test_a_missing_file_or_folder_is_named(tmp_path, missing):
    read(tmp_path, FLICKR)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{missing}: no such "):
        KarpathyCaptions(str(tmp_path / "dataset.json"), str(tmp_path / "images"))


def test_images_of_other_splits_are_counted(tmp_path):
    other = FLICKR[0] | {"imgid": 5, "split": "val"}
    assert read(tmp_path, [*FLICKR, other], split="train").notes == {"images of other splits": 1}
