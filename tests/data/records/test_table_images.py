"""Image files that a table names."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.records.table_images import find_suffix, image_test
from frozenvl.util.errors import UserError


@pytest.fixture
def images(tmp_path) -> Path:
    (tmp_path / "images" / "a").mkdir(parents=True)
    for name in ("1.jpg", "a/2.PNG", "3.png"):
        (tmp_path / "images" / name).touch()
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        *(("1.jpg", None, True), ("1", None, True), ("1#0", None, True), ("a/2.PNG", None, True)),
        *(("1", "", False), ("3", ".png", True), ("1", ".png", False)),
        *(("", None, False), ("a", None, False), ("a\0", None, False), ("long " * 1000, None, False)),
    ],
)
def test_an_image_exists_with_or_without_its_suffix(images, name, suffix, expected):
    assert image_test(images, suffix)(name) is expected


def test_the_suffix_is_found(images):
    assert find_suffix(Path("t"), ["7.jpg", "1.jpg"], images, None) == ""
    assert find_suffix(Path("t"), ["7", "3"], images, None) == ".png"
    assert find_suffix(Path("t"), ["3"], images, ".png") == ".png"
    assert find_suffix(Path("t"), [], images, ".png") == ".png"


@pytest.mark.parametrize(
    ("names", "suffix", "message"),
    [
        (
            ["7.jpg"],
            None,
            r"t: not even the first image exists in .*images, such as .*images/7.jpg; check --images",
        ),
        (
            ["7", "8"],
            ".gif",
            r"none of the first 2 images exists in .*, such as .*images/7.gif; check --images",
        ),
        (["images/1.jpg"], None, r"in the folder above: give --images .*[^s]$"),
        (["example.org/1.jpg"], None, r"if these are addresses, download the images first, with img2dataset"),
        (["a/1.jpg", "b.c/1.jpg"], None, r"check --images"),
    ],
)
def test_missing_images_are_refused(images, names, suffix, message):
    with pytest.raises(UserError, match=message):
        find_suffix(Path("t"), names, images, suffix)
