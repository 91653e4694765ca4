"""Folders appear when they are complete, or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from filelock import FileLock

from frozenvl.util.errors import RunError, UserError
from frozenvl.util.whole_folder import whole_folder


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_a_folder_appears_at_the_end(tmp_path, exists):
    target = tmp_path / "a" / "b"
    if exists:
        target.mkdir(parents=True)
    with whole_folder(target) as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "x").write_text("x")
        assert not exists or not list(target.iterdir())
        assert exists == target.exists()
    assert left(tmp_path) == ["a", "a/b", "a/b/sub", "a/b/sub/x"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()], ids=repr)
def test_nothing_stays_of_a_failed_one(tmp_path, error):
    with pytest.raises(type(error)), whole_folder(tmp_path / "b") as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "x").write_text("x")
        raise error
    assert left(tmp_path) == []


def test_a_failed_write_is_one_line(tmp_path):
    message = r"b: cannot be written \(No space left on device\); free some space"
    with pytest.raises(RunError, match=message), whole_folder(tmp_path / "b"):
        raise OSError(errno.ENOSPC, "No space left on device")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be written"), whole_folder(tmp_path / "file" / "b"):
        raise AssertionError("not reached")


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".b.partial" / "old").mkdir(parents=True)
    (tmp_path / ".b.partial" / ".lock").touch()
    (tmp_path / ".b.partial" / "old" / "x").write_text("x")
    with whole_folder(tmp_path / "b") as partial:
        (partial / "new").write_text("x")
    assert left(tmp_path) == ["b", "b/new"]


def test_what_others_wrote_stays(tmp_path):
    (tmp_path / ".b.partial").mkdir()
    (tmp_path / ".b.partial" / "mine").write_text("x")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine").write_text("x")
    (tmp_path / "d").write_text("x")
    before = left(tmp_path)
    for name, message in (
        ("b", r"\.b\.partial: is in the way"),
        ("c", "c: is not empty"),
        ("d", "d: is a file"),
    ):
        with pytest.raises(UserError, match=message), whole_folder(tmp_path / name):
            raise AssertionError("not reached")
    assert left(tmp_path) == before


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (".", str(tmp_path), f"../{tmp_path.name}"):
        with pytest.raises(UserError, match="is the current folder"), whole_folder(Path(name)):
            raise AssertionError("not reached")
    assert left(tmp_path) == []


def test_two_at_once_are_refused(tmp_path):
    with whole_folder(tmp_path / "b") as partial:
        (partial / "x").write_text("x")
        with pytest.raises(UserError, match="b: another process is writing it"), whole_folder(tmp_path / "b"):
            raise AssertionError("not reached")
        assert left(partial) == [".lock", "x"]
    assert left(tmp_path) == ["b", "b/x"]


def test_the_lock_of_another_process_is_respected(tmp_path):
    (tmp_path / ".b.partial").mkdir()
    with (
        FileLock(tmp_path / ".b.partial" / ".lock"),
        pytest.raises(UserError, match="another process"),
        whole_folder(tmp_path / "b"),
    ):
        raise AssertionError("not reached")
