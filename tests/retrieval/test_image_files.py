"""Lists of image files: subfolders, suffixes, hidden files, links, and folders without images."""

from __future__ import annotations

import errno
import os

import pytest

from frozenvl.retrieval.image_files import image_files
from frozenvl.util.errors import UserError


def test_images_below_a_folder_are_listed_once_in_order(folder):
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").touch()
    (folder / ".frozenvl").mkdir()
    (folder / ".frozenvl" / "x.png").touch()
    names = ["a.png", "b.png", "c.jpg", "sub/d.PNG"]
    assert image_files([folder]) == [folder / name for name in names]
    assert image_files([folder / "b.png", folder])[:2] == [folder / "b.png", folder / "a.png"]
    assert len(image_files([folder / "b.png", folder])) == 4
    assert image_files([folder / "notes.txt"]) == [folder / "notes.txt"]


def test_links_to_folders_are_followed_once(folder, tmp_path, paint):
    paint(tmp_path / "elsewhere" / "e.png", "red")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "link" / "loop").symlink_to(folder)
    assert [path.name for path in image_files([folder])] == ["a.png", "b.png", "c.jpg", "e.png", "d.PNG"]


def test_a_folder_that_cannot_be_listed_is_one_error_line(folder, monkeypatch):
    plain = os.scandir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        UserError, match=r"sub: cannot be listed \(Permission denied\); check its permissions"
    ):
        image_files([folder])


def test_what_is_not_there_is_one_error_line(tmp_path):
    with pytest.raises(UserError, match="a folder without images"):
        image_files([tmp_path])
    with pytest.raises(UserError, match=r"nowhere: no such image or folder; check the path"):
        image_files([tmp_path / "nowhere"])
