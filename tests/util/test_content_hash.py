"""Hashes of files, remembered until a file changes."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from frozenvl.util import content_hash as module
from frozenvl.util.content_hash import content_hash


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The files that are hashed, in order."""
    hashed, original = [], hashlib.file_digest
    monkeypatch.setattr(
        hashlib,
        "file_digest",
        lambda file, kind: (hashed.append(Path(file.name).name), original(file, kind))[1],
    )
    return hashed


def settled(path: Path, content: bytes, monkeypatch) -> Path:
    """Writes a file and lets an hour pass."""
    path.write_bytes(content)
    now = time.time_ns()
    monkeypatch.setattr(module.time, "time_ns", lambda: now + 3600 * 10**9)
    return path


def test_a_file_is_hashed_once_while_it_stays_the_same(home, reads, tmp_path, monkeypatch):
    file = settled(tmp_path / "a", b"one", monkeypatch)
    assert content_hash(file) == content_hash(file) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.chdir(tmp_path)
    assert content_hash(Path("a")) == content_hash(file)
    assert reads == ["a"]


@pytest.mark.parametrize("kept_time", [False, True])
def test_a_changed_file_is_noticed_even_if_its_size_and_time_are_kept(
    home, reads, tmp_path, monkeypatch, kept_time
):
    file = settled(tmp_path / "a", b"one", monkeypatch)
    content_hash(file)
    before = file.stat()
    time.sleep(0.02)  # more than a tick of the file system's clock
    file.write_bytes(b"two")
    if kept_time:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert content_hash(file) == hashlib.sha256(b"two").hexdigest() and len(reads) == 2


def test_another_file_in_its_place_is_noticed(home, tmp_path, monkeypatch):
    file, other = (settled(tmp_path / name, name.encode(), monkeypatch) for name in "ab")
    content_hash(file)
    other.replace(file)
    assert content_hash(file) == hashlib.sha256(b"b").hexdigest()


def test_the_hash_of_a_file_that_was_just_written_is_not_remembered(home, reads, tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    content_hash(tmp_path / "a")
    content_hash(tmp_path / "a")
    assert len(reads) == 2


@pytest.mark.parametrize("broken", ["a file", "a damaged store"])
def test_without_a_usable_cache_files_are_hashed_each_time(home, reads, tmp_path, monkeypatch, broken):
    if broken == "a file":
        home.write_text("")
    else:
        home.mkdir()
        (home / "hashes.sqlite").write_text("no database, but some text of more than a hundred bytes " * 9)
    file = settled(tmp_path / "a", b"one", monkeypatch)
    assert content_hash(file) == content_hash(file) == hashlib.sha256(b"one").hexdigest()
    assert len(reads) == 2


def test_a_missing_file_is_an_error(home, tmp_path):
    with pytest.raises(FileNotFoundError):
        content_hash(tmp_path / "a")
