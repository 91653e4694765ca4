"""A folder of images."""

from __future__ import annotations

import pytest

from frozenvl.data.sources.folder import ImageFolder
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.JPG",
        "a/2.png",
        "a/10.webp",
        "a/x/1.jpeg",
        "notes.txt",
        ".hidden.jpg",
        ".git/1.jpg",
        "a/._2.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_images_by_name_with_their_subfolder_as_label(folder):
    source = ImageFolder(str(folder))
    assert [(e.id, e.kind) for e in source] == [
        ("a/10.webp", {"label": "a"}),
        ("a/2.png", {"label": "a"}),
        ("a/x/1.jpeg", {"label": "a"}),
        ("b.JPG", {}),
    ]
    assert source[0].image.path == folder / "a/10.webp"
    assert source.image_ids() == [e.image_id for e in source] and len(set(source.image_ids())) == 4


def test_examples_of_a_folder_have_no_targets(folder):
    source = ImageFolder(str(folder))
    assert source.pairs == 0 and source[0].targets == ()
    assert Template().prompt(source[0]) == (source[0].image,)
    assert VQA.prompt(source[0])[0] == source[0].image


def test_a_missing_or_empty_folder_is_refused(folder):
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: holds no image \("):
        ImageFolder(str(folder / "empty"))
    with pytest.raises(UserError, match="nowhere: no such image folder"):
        ImageFolder(str(folder / "nowhere"))
    with pytest.raises(UserError, match=r"b.JPG: a file, not an image folder"):
        ImageFolder(str(folder / "b.JPG"))


def test_files_that_are_no_images_are_counted_by_suffix(tmp_path):
    for name in ("1.jfif", "2.JPE", "3.heic", "4.heic", "5", ".hidden", "6.png"):
        (tmp_path / name).touch()
    source = ImageFolder(str(tmp_path))
    assert [example.id for example in source] == ["1.jfif", "2.JPE", "6.png"]
    assert source.notes == {
        "files with suffix .heic, which are no images": 2,
        "files with no suffix, which are no images": 1,
    }
