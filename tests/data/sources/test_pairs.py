"""What sources of captions and foils have in common."""

from __future__ import annotations

import pytest
from vqa_files import write

from frozenvl.data.sources.sugarcrepe import SugarCrepePairs
from frozenvl.util.errors import UserError


def test_a_foil_that_equals_the_caption_is_noted(tmp_path):
    items = {n: {"filename": "a.jpg", "caption": "a dog", "negative_caption": text} for n, text in
             enumerate(["a  dog", "a cat"])}  # fmt: skip
    source = SugarCrepePairs(write(tmp_path, "x.json", items), str(tmp_path / "images"))
    assert source.notes == {"items with a foil that equals the true caption, which count as wrong": 1}


def test_all_problems_of_a_file_are_named_at_once(tmp_path):
    items = {n: {"filename": "a.jpg", "caption": "a dog", "negative_caption": None} for n in range(3)}
    with pytest.raises(UserError) as error:
        SugarCrepePairs(write(tmp_path, "x.json", items), str(tmp_path / "images"))
    assert all(f"['{n}']" in str(error.value) for n in range(3))


def test_files_and_folders_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        SugarCrepePairs(write(tmp_path, "x.json", {}), str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"y\.json: no such file"):
        SugarCrepePairs(str(tmp_path / "y.json"), str(tmp_path / "images"))
