"""Checkpoints of a run: in its folder, or where a `ModelCheckpoint.dirpath` put them."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterable
from pathlib import Path

from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, read_lines, write_atomically

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in a run's folder."""
ELSEWHERE = "elsewhere.json"
"""File among them that lists the run's checkpoints in other folders, in the order of writing."""
COST = "cost.json"
"""File in a run's folder that a fit writes last."""
LAST = re.compile(r"last(-v\d+)?\.ckpt")
"""Names that `ModelCheckpoint` gives the last checkpoint. Runs that share a `dirpath` have different versions."""


def checkpoints_elsewhere(run: Path) -> list[Path]:
    """Returns the paths of a run's checkpoints outside its folder for checkpoints, in the order of writing."""
    record = run / CHECKPOINTS / ELSEWHERE
    return [run.resolve() / path for path in read_json(record)] if record.is_file() else []


def checkpoints_of(run: Path) -> list[Path]:
    """Returns the existing checkpoints of a run, wherever they are."""
    elsewhere = [path for path in checkpoints_elsewhere(run) if path.is_file()]
    return [*run.glob(f"{CHECKPOINTS}/*.ckpt"), *elsewhere]


def last_checkpoint(run: Path) -> Path | None:
    """Returns the last checkpoint of a run, or its newest one if none is named `last`; None without any.

    Raises:
        UserError: if the last checkpoint was in another folder and is not there any more. To start anew would lose
            the run.
    """
    lost = [path for path in checkpoints_elsewhere(run) if not path.is_file()]
    found = checkpoints_of(run)
    if lost and (not found or any(LAST.fullmatch(path.name) for path in lost)):
        raise UserError(
            f"{lost[-1]}: the last checkpoint of {run} was written there and is gone; put it back, or name another "
            "checkpoint"
        )
    named = [path for path in found if LAST.fullmatch(path.name)]
    return max(named or found, key=lambda path: path.stat().st_mtime, default=None)


def refuse_taken(run: Path, folders: Iterable[Path]) -> None:
    """Checks that a new run would not mix with an earlier one of its name, nor lose it.

    Args:
        run: folder of the run.
        folders: folders in which the new run would keep checkpoints.

    Raises:
        UserError: if the run has a checkpoint or a score, has ended, or has a history whose checkpoints may be in
            another folder.
    """
    if checkpoints_of(run) or checkpoints_elsewhere(run) or any(run.glob("evaluation/*/score.json")):
        raise UserError(
            f"{run}: holds a run of that name; go on with --ckpt_path last, give another --name, or throw it away with "
            "--overwrite true"
        )
    if (run / COST).is_file():  # such as those that Lightning put into a logger's folder, in earlier versions
        raise UserError(
            f"{run}: holds a finished run whose checkpoints are not there; name one with --ckpt_path, give another "
            "--name, or throw the run away with --overwrite true"
        )
    if any(read_lines(run / "history.jsonl")):
        for folder in folders:
            if not in_folder(run, folder) and any(folder.glob("*.ckpt")):
                raise UserError(
                    f"{run}: holds a run of that name, and which checkpoints of {folder} are its own is not recorded; "
                    "name one with --ckpt_path, or throw the run away with --overwrite true"
                )


def temporary_files(checkpoints: Iterable[Path]) -> list[Path]:
    """Returns the files that killed processes left beside checkpoints in other folders."""
    return [file for path in checkpoints for file in path.parent.glob(f".{glob.escape(path.name)}.*.tmp")]


def note_saved(run: Path, path: Path) -> None:
    """Records a checkpoint that was written. One in the run's folder needs no record, but replaces lost ones."""
    elsewhere, path = checkpoints_elsewhere(run), path.resolve()
    if in_folder(run, path.parent):
        kept = [other for other in elsewhere if other.is_file()]
    else:
        kept = [*(other for other in elsewhere if other != path), path]
    if kept != elsewhere:
        _write(run, kept)


def note_removed(run: Path, path: Path) -> None:
    """Takes a checkpoint that was removed out of the record."""
    elsewhere, path = checkpoints_elsewhere(run), path.resolve()
    if path in elsewhere:
        _write(run, [other for other in elsewhere if other != path])


def in_folder(run: Path, folder: Path) -> bool:
    """Returns whether a folder is the run's own for checkpoints."""
    return folder.resolve() == (run / CHECKPOINTS).resolve()


def _write(run: Path, paths: list[Path]) -> None:
    home = run.resolve()  # paths in the run's folder are relative to it, so that it may be moved
    listed = [str(path.relative_to(home) if path.is_relative_to(home) else path) for path in paths]
    write_atomically(run / CHECKPOINTS / ELSEWHERE, json.dumps(listed, indent=1) + "\n")
