"""Checkpoints of a run are found in its folder, and where a `dirpath` put them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from frozenvl.training.run_folder import (
    checkpoints_elsewhere,
    checkpoints_of,
    last_checkpoint,
    note_removed,
    note_saved,
    refuse_taken,
    temporary_files,
)
from frozenvl.util.errors import UserError


@pytest.fixture
def run(tmp_path) -> Path:
    return tmp_path / "runs" / "x"


def saved(run: Path, path: Path, second: int) -> Path:
    """Writes a checkpoint and records it, as of that second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (second, second))
    note_saved(run, path)
    return path


def test_checkpoints_in_the_folder_need_no_record(run):
    assert last_checkpoint(run) is None and checkpoints_of(run) == []
    last = saved(run, run / "checkpoints/last.ckpt", 1)
    saved(run, run / "checkpoints/best.ckpt", 2)
    assert last_checkpoint(run) == last and len(checkpoints_of(run)) == 2
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_checkpoints_elsewhere_are_found_by_the_record(run, tmp_path):
    step = saved(run, tmp_path / "disk/step=2.ckpt", 1)
    assert last_checkpoint(run) == step  # killed before the first last.ckpt
    last = saved(run, tmp_path / "disk/last-v1.ckpt", 2)
    saved(run, last, 3)
    (tmp_path / "disk/last.ckpt").touch()  # another run's
    assert last_checkpoint(run) == last and checkpoints_of(run) == [step, last]
    step.unlink()
    note_removed(run, step)
    assert checkpoints_elsewhere(run) == [last]


def test_the_newer_of_two_last_checkpoints_counts(run, tmp_path):
    saved(run, run / "checkpoints/last.ckpt", 1)
    elsewhere = saved(run, tmp_path / "disk/last.ckpt", 2)  # resumed with a dirpath
    assert last_checkpoint(run) == elsewhere
    home = saved(run, run / "checkpoints/last.ckpt", 3)  # resumed without it
    assert last_checkpoint(run) == home


def test_a_lost_last_checkpoint_is_an_error_until_another_is_saved(run, tmp_path):
    saved(run, run / "checkpoints/last.ckpt", 1)
    saved(run, tmp_path / "disk/last.ckpt", 2).unlink()
    with pytest.raises(
        UserError, match=r"disk/last.ckpt: the last checkpoint of .*x was written there and is gone"
    ):
        last_checkpoint(run)
    with pytest.raises(UserError, match="holds a run of that name"):
        refuse_taken(run, [])
    home = saved(run, run / "checkpoints/last.ckpt", 3)
    assert last_checkpoint(run) == home and checkpoints_elsewhere(run) == []


def test_a_lost_checkpoint_of_an_earlier_step_is_none(run, tmp_path):
    saved(run, tmp_path / "disk/step=2.ckpt", 1).unlink()
    last = saved(run, tmp_path / "disk/last.ckpt", 2)
    assert last_checkpoint(run) == last


def test_a_run_folder_may_move_with_a_folder_of_its_own(run):
    saved(run, run / "kept/last.ckpt", 1)
    moved = shutil.move(run, run.with_name("y"))
    assert last_checkpoint(moved) == moved / "kept/last.ckpt"


def test_a_history_without_its_checkpoints_is_not_thrown_away(run, tmp_path):
    """Runs of versions before the record: a new run would begin at step 1 and drop the history."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "last.ckpt").touch()
    refuse_taken(run, [run / "checkpoints", disk])  # nothing was trained
    run.mkdir(parents=True)
    (run / "history.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(
        UserError, match=r"which checkpoints of .*disk are its own is not recorded; name one with"
    ):
        refuse_taken(run, [run / "checkpoints", disk])
    refuse_taken(run, [run / "checkpoints"])  # killed before its first checkpoint
    (run / "cost.json").touch()
    with pytest.raises(
        UserError, match=r"holds a finished run whose checkpoints are not there; name one with"
    ):
        refuse_taken(run, [run / "checkpoints"])


def test_files_of_killed_writers_are_those_of_the_run_alone(tmp_path):
    mine, other = tmp_path / ".last.ckpt.1234.tmp", tmp_path / ".last-v1.ckpt.1234.tmp"
    mine.touch()
    other.touch()
    assert temporary_files([tmp_path / "last.ckpt"]) == [mine]
