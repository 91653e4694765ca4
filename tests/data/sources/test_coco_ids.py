"""Image ids of COCO photographs, equal in all data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.sources.coco_ids import coco_id, photograph_id


@pytest.mark.parametrize(
    "name",
    [
        "COCO_train2014_000000000077.jpg",
        "COCO_val2014_000000000077",
        "COCO_test2015_000000000077.png",
        "000000000077.jpg",
        "train2014/COCO_train2014_000000000077.jpg",
        "000000000077",
    ],
)
def test_all_file_names_of_a_coco_photograph_give_its_id(name):
    assert coco_id(name) == "coco/77"


@pytest.mark.parametrize(
    "name",
    ["77.jpg", "000000077.jpg", "123456789012.jpg", "1000268201_693b08cb0e.jpg", "x000000000077.jpg", ""],
)
def test_other_file_names_give_no_coco_id(name):
    assert coco_id(name) is None


def test_equal_names_in_different_folders_are_different_photographs():
    train, val = Path("/a/own/train"), Path("/a/own/val")
    assert photograph_id(train, "1.jpg") == "own/train/1.jpg" != photograph_id(val, "1.jpg")
    assert photograph_id(Path("/b/own/train"), "1.jpg") == photograph_id(train, "1.jpg")
    assert photograph_id(train, "000000000285.jpg") == photograph_id(val, "000000000285.jpg") == "coco/285"


@pytest.mark.parametrize(
    "name", ["a/1.jpg", "./a/1.jpg", "a//1.jpg", "b/../a/1.jpg", "/data/x/images/a/1.jpg"]
)
def test_other_spellings_of_a_path_are_the_same_photograph(name):
    assert photograph_id(Path("/data/x/images"), name) == "x/images/a/1.jpg"


def test_a_photograph_outside_the_folder_is_named_by_its_own_folders():
    for name in ("/elsewhere/y/photos/1.jpg", "../../../elsewhere/y/photos/1.jpg"):
        assert photograph_id(Path("/data/x/images"), name) == "y/photos/1.jpg"
