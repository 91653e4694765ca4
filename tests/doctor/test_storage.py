"""Checks of folders: rights, room and clocks."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from frozenvl.doctor import storage


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only folder that is checked; it does not exist yet."""
    monkeypatch.setattr(storage, "folders", lambda: [("caches", tmp_path / "a" / "b")])
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    return tmp_path


def test_a_folder_that_can_be_written_to_is_left_as_it_was(folder):
    (found,) = storage.disks()
    assert found == ("ok", f"caches: {folder}, 1000 GB free", "") and not list(folder.iterdir())


def test_a_full_disk(folder, monkeypatch):
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    (found,) = storage.disks()
    assert found.level == "warning" and "1.0 GB free" in found.text


def test_a_folder_without_the_right_to_write(folder, monkeypatch):
    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage.tempfile, "mkstemp", refused)
    (found,) = storage.disks()
    assert found.level == "error" and "cannot be written to (Permission denied)" in found.text


@pytest.mark.parametrize("ahead", [100, -100])
def test_a_clock_that_differs(folder, monkeypatch, ahead):
    now = time.time
    monkeypatch.setattr(storage.time, "time", lambda: now() - ahead)
    (found,) = storage.disks()
    assert found.level == "warning" and f"differs by {ahead:+.0f} s" in found.text
    assert not list(folder.iterdir())


def test_the_folders_that_are_written_to(monkeypatch, tmp_path):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    assert {path for _, path in storage.folders()} >= {tmp_path / "home", Path.cwd()}


def test_fetched_models_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    (found,) = storage.models()
    assert found.level == "note" and found.remedy == "frozenvl fetch"
    (tmp_path / "models" / "EfficientNet-Lite0").mkdir(parents=True)
    (found,) = storage.models()
    assert found == ("ok", "fetched models: EfficientNet-Lite0", "")
