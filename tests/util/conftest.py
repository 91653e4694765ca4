"""Fixtures of fonts."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def font_folder(tmp_path, monkeypatch):
    """Empty folder that FROZENVL_FONTS names, on a machine without fonts of its own."""
    from matplotlib import font_manager

    from frozenvl.util import fonts, scripts

    caches = (fonts.dejavu, fonts.read_font, fonts.font_files, fonts.font_with)
    folder = tmp_path / "fonts"
    folder.mkdir()
    find = font_manager.findSystemFonts
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda paths=None: find(paths) if paths else [])
    monkeypatch.setattr(scripts, "_named", set())
    monkeypatch.setenv(fonts.FOLDER, str(folder))
    for cache in caches:
        cache.cache_clear()
    yield folder
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def no_raqm(font_folder, monkeypatch) -> Path:
    """The same with a Pillow that cannot shape text."""
    from PIL import _imagingft

    monkeypatch.setattr(_imagingft, "HAVE_RAQM", False)
    return font_folder
