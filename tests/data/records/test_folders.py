"""Folders of images."""

from __future__ import annotations

import pytest

from frozenvl.data.records.folders import image_folder
from frozenvl.util.errors import UserError


def test_a_missing_folder_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    assert image_folder(tmp_path) == tmp_path
    with pytest.raises(UserError, match=r"b: no such image folder; .*--data.root"):
        image_folder(tmp_path / "b")
    (tmp_path / "a.json").write_text('{"images": [{"id": 1, "file_name": "a.jpg"}]}')
    with pytest.raises(UserError, match=r"a.json: a file, not an image folder; .* use CocoCaptions"):
        image_folder(tmp_path / "a.json")
