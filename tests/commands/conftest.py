"""Fixtures for commands that take image files."""

from __future__ import annotations

import pytest

from frozenvl.data.sources.scenes import SceneCaptions


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> list[str]:
    """Image files of the scenes that the tiny run was validated on."""
    monkeypatch.chdir(tmp_path)
    source = SceneCaptions("val", 5, resolution=64)
    for index in range(5):
        source[index].image.read().save(f"{index}.png")
    return [f"{index}.png" for index in range(5)]
