"""Digests that a later run finds without reading the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frozenvl.data.augmentation import AugmentedImage
from frozenvl.model.vision.remembered_digests import RememberedDigests
from frozenvl.prompt import BlackImage, CroppedImage, ImageFile
from frozenvl.util import file_digests

OLD = 10**18
"""Modification time of files that have long been written, in ns."""


def written(path: Path, content: bytes, when: int = OLD) -> ImageFile:
    path.write_bytes(content)
    os.utime(path, ns=(when, when))
    return ImageFile(path)


@pytest.fixture
def files(tmp_path) -> list[Path]:
    return [written(tmp_path / f"{number}.jpg", b"%d" % number).path for number in range(70)]


@pytest.fixture
def hashed(monkeypatch) -> list[Path]:
    """Lists the files that are read to be hashed."""
    read: list[Path] = []
    digest = ImageFile.digest.func
    monkeypatch.setattr(ImageFile.digest, "func", lambda image: read.append(image.path) or digest(image))
    return read


def images(files: list[Path]) -> list[ImageFile]:
    """Returns the images as a new run would make them."""
    return [ImageFile(path) for path in files]


def test_a_later_run_reads_no_file(files, hashed, tmp_path):
    first = RememberedDigests(tmp_path / "d")
    found = first.of(images(files))
    assert len({*found.values()}) == 70 and sorted(hashed) == sorted(files)
    assert first.of(images(files)) == found and len(hashed) == 70
    first.save()
    assert RememberedDigests(tmp_path / "d").of(images(files)) == found and len(hashed) == 70


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_changed_file_is_read_again(files, hashed, tmp_path, change):
    memory = RememberedDigests(tmp_path / "d")
    before = memory.of(images(files))
    path = files[3]
    if change == "inode":
        written(tmp_path / "other", b"X").path.replace(path)
    else:
        written(path, b"longer" if change == "size" else b"X", OLD if change == "size" else OLD + 1)
    after = memory.of(images(files))
    assert len(hashed) == 71 and [image.path for image in before if before[image] != after[image]] == [path]


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, hashed):
    """It may change again within one tick of the clock."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"1")
    memory = RememberedDigests(tmp_path / "d")
    for _ in range(2):
        memory.of([ImageFile(path)])
    assert len(hashed) == 2


def test_crops_and_augmented_images_use_the_digest_of_their_file(files, hashed, tmp_path):
    RememberedDigests(tmp_path / "d").of(images(files[:1]))
    memory = RememberedDigests(tmp_path / "d")
    memory.of(images(files[:1]))
    hashed.clear()
    crop = CroppedImage(ImageFile(files[0]), (0, 0, 2, 2))
    turned = AugmentedImage(ImageFile(files[0]), repr, 3)
    found = memory.of([crop, turned, BlackImage()])
    assert not hashed and found[BlackImage()] == "0" * 32
    expected = [CroppedImage(ImageFile(files[0]), (0, 0, 2, 2)), AugmentedImage(ImageFile(files[0]), repr, 3)]
    assert [found[crop], found[turned]] == [image.digest for image in expected]


def test_unreadable_images_are_left_out(files, tmp_path):
    missing = ImageFile(tmp_path / "missing.jpg")
    found = RememberedDigests(tmp_path / "d").of([missing, *images(files[:2])])
    assert [image.path for image in found] == files[:2]


def test_a_full_memory_is_saved_at_once(files, tmp_path, monkeypatch):
    monkeypatch.setattr(file_digests, "UNSAVED", 50)
    RememberedDigests(tmp_path / "d").of(images(files))
    (path,) = (tmp_path / "d").iterdir()
    saved = file_digests.entries(path)
    assert saved is not None and len(saved.keys) == 70
