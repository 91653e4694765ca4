"""Folders of images."""

from __future__ import annotations

import pytest

from frozenvl.data.records.folders import image_folder
from frozenvl.util.errors import UserError


def test_a_missing_folder_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    assert image_folder(tmp_path) == tmp_path
    for name in ("a.json", "b"):
        with pytest.raises(UserError, match=rf"{name}: no such image folder; .*--data.root"):
            image_folder(tmp_path / name)
