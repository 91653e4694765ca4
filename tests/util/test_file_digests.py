"""Digests of files, remembered until a file changes."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from frozenvl.util import file_digests as module
from frozenvl.util.file_digests import FileDigests, content_hash, entries


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


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def settled(path: Path, content: bytes, monkeypatch) -> Path:
    """Writes a file and lets an hour pass."""
    path.write_bytes(content)
    now = time.time_ns()
    monkeypatch.setattr(module.time, "time_ns", lambda: now + 3600 * 10**9)
    return path


def test_a_file_is_hashed_once_while_it_stays_the_same(home, reads, tmp_path, monkeypatch):
    file = settled(tmp_path / "a", b"one", monkeypatch)
    assert content_hash(file) == content_hash(file) == sha(b"one")
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
    assert content_hash(file) == sha(b"two") and len(reads) == 2


def test_another_file_in_its_place_is_noticed(home, tmp_path, monkeypatch):
    file, other = (settled(tmp_path / name, name.encode(), monkeypatch) for name in "ab")
    content_hash(file)
    other.replace(file)
    assert content_hash(file) == sha(b"b")


def test_the_hash_of_a_file_that_was_just_written_is_not_remembered(home, reads, tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    content_hash(tmp_path / "a")
    content_hash(tmp_path / "a")
    assert len(reads) == 2


def test_without_a_usable_cache_files_are_hashed_each_time(home, reads, tmp_path, monkeypatch):
    home.write_text("")
    file = settled(tmp_path / "a", b"one", monkeypatch)
    assert content_hash(file) == content_hash(file) == sha(b"one")
    assert len(reads) == 2


@pytest.mark.parametrize(
    "text", ["no digests", "no digests, but some text of more than a hundred bytes " * 9]
)
def test_a_damaged_file_of_digests_is_passed_by(home, reads, tmp_path, monkeypatch, text):
    (home / "digests").mkdir(parents=True)
    (home / "digests/a.digests").write_text(text)
    file = settled(tmp_path / "a", b"one", monkeypatch)
    assert content_hash(file) == content_hash(file) == sha(b"one")
    assert len(reads) == 1


def test_many_files_of_digests_are_merged(home, reads, tmp_path, monkeypatch):
    files = [settled(tmp_path / str(number), b"%d" % number, monkeypatch) for number in range(20)]
    for _ in range(2):
        assert [content_hash(file) for file in files] == [sha(b"%d" % number) for number in range(20)]
    assert len(reads) == 20 and len([*(home / "digests").iterdir()]) <= module.MOST_FILES + 1


def test_the_entries_of_a_file_are_sorted(tmp_path):
    digests = FileDigests(tmp_path)
    for number in range(70):
        digests.remember(hashlib.blake2b(b"%d" % number, digest_size=16).digest(), sha(b"%d" % number))
    digests.save()
    (path,) = tmp_path.iterdir()
    saved = entries(path)
    assert saved is not None and len(saved.keys) == 70 and (saved.keys[1:] >= saved.keys[:-1]).all()


def test_a_file_of_digests_that_another_process_has_merged_is_skipped(tmp_path):
    assert entries(tmp_path / "gone.digests") is None
    (tmp_path / "empty.digests").touch()
    assert entries(tmp_path / "empty.digests") is None


def test_a_missing_file_is_an_error(home, tmp_path):
    with pytest.raises(FileNotFoundError):
        content_hash(tmp_path / "a")
