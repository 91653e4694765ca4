"""Names of image files, and writing each image once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tars import picture

from frozenvl.data.writers.image_files import ImageFiles, safe_name
from frozenvl.prompt import Image, ImageFile, StoredImage


def image(name: str, place: str = "") -> Image:
    return StoredImage(name, place or name, bytes)


NAMES = {
    "a.jpg": "a.jpg",
    "deep/er/a.JPG": "a.JPG",
    "back\\slash.png": "slash.png",
    "COCO_val2014_000000000042.jpg": "COCO_val2014_000000000042.jpg",
    "ünï 日本.webp": "ünï 日本.webp",
    " a.jpg ": "a.jpg",
    "a": "a.png",
    "a.html": "a.html.png",
    "../../a.jpg": "a.jpg",
    "": "image000000007.png",
    "..": "image000000007.png",
    "a/": "image000000007.png",
    ".a.jpg": "image000000007.png",
    "-a.jpg": "image000000007.png",
    "C:a.jpg": "image000000007.png",
    "a\nb.jpg": "image000000007.png",
    "a\0.jpg": "image000000007.png",
    "\udcff.jpg": "image000000007.png",
    "ü" * 120 + ".jpg": "image000000007.png",
}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_kept_where_it_is_safe(name):
    assert safe_name(image(name), 7, "png") == NAMES[name]


def test_each_image_is_a_file_of_its_own(tmp_path):
    files = ImageFiles(tmp_path / "images")
    first, second, third = image("a.jpg", "1"), image("x/A.JPG", "2"), image("b.jpg", "3")
    assert files.name(first) is None
    assert files.write(first, 0, "jpg", b"1") == "a.jpg" == files.name(first)
    assert files.write(second, 4, "jpg", b"2") == "image000000004_A.JPG" == files.name(second)
    assert files.write(third, 5, "jpg", b"3") == "b.jpg"
    assert {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()} == {
        "a.jpg": b"1",
        "image000000004_A.JPG": b"2",
        "b.jpg": b"3",
    }


def test_an_image_that_a_table_repeats_is_one_file(tmp_path):
    files = ImageFiles(tmp_path / "images")
    repeated = [image("a.jpg", f"table#{row}") for row in range(4)]
    names = [
        files.write(each, row, "jpg", data)
        for row, (each, data) in enumerate(zip(repeated, (b"1", b"1", b"2", b"2"), strict=True))
    ]
    assert names == ["a.jpg", "a.jpg", "image000000002_a.jpg", "image000000002_a.jpg"]
    assert [files.name(each) for each in repeated] == names and len(
        list((tmp_path / "images").iterdir())
    ) == 2


def test_files_are_linked_through_symbolic_links_and_copied_where_they_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(picture(1))
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    files = ImageFiles(tmp_path / "images", link=True)
    name = files.write(ImageFile(tmp_path / "b.jpg"), 0, "jpg", picture(1))
    assert (tmp_path / "images" / name).samefile(tmp_path / "a.jpg") and not (
        tmp_path / "images" / name
    ).is_symlink()

    def fail(*paths):
        raise OSError("another file system")

    monkeypatch.setattr(Path, "hardlink_to", fail)
    name = files.write(ImageFile(tmp_path / "a.jpg"), 1, "jpg", picture(1))
    assert (tmp_path / "images" / name).read_bytes() == picture(1)
    assert not (tmp_path / "images" / name).samefile(tmp_path / "a.jpg")
