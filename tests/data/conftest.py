"""Fixtures for tests of data."""

from __future__ import annotations

from pathlib import Path

import pytest
from tars import folder_of_shards

from frozenvl.data.sources.scenes import SceneQuestions


@pytest.fixture(scope="session")
def questions():
    """Questions about scenes, by split."""
    return {split: list(SceneQuestions(split, size=12000)) for split in ("train", "val", "novel")}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Sets `FROZENVL_HOME` to an empty folder; returns the folder."""
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four shards with 3, 0, 4 and 2 samples."""
    return folder_of_shards(tmp_path / "s", [3, 0, 4, 2])
