"""Checks of the folders that runs write to."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from frozenvl.doctor.finding import Finding

GB = 10**9
FREE = 5 * GB
"""Free disk (bytes) below which models and feature caches may not fit."""
SKEW = 2.0
"""Seconds by which the clock of a file system may differ from this machine's."""


def folders() -> list[tuple[str, Path]]:
    """Returns the folders that frozenvl and its libraries write to, with what they are for."""
    from huggingface_hub.constants import HF_HUB_CACHE

    from frozenvl.pretrained.zoo import home

    return [
        ("the current folder (runs)", Path.cwd()),
        ("models and caches (FROZENVL_HOME)", home()),
        ("models of the Hugging Face hub (HF_HOME)", Path(HF_HUB_CACHE)),
        ("temporary files (TMPDIR)", Path(tempfile.gettempdir())),
    ]


def disks() -> Iterator[Finding]:
    """Finds folders that cannot be written to, are almost full, or whose clock differs, by a file in each."""
    for what, folder in folders():
        where = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
        try:
            skew = clock_skew(where)
        except OSError as error:
            yield Finding(
                "error",
                f"{what}: {where} cannot be written to ({error.strerror})",
                "choose another folder, or ask for the rights",
            )
            continue
        free = shutil.disk_usage(where).free
        if free < FREE:
            yield Finding(
                "warning",
                f"{what}: {where} has {free / GB:.1f} GB free",
                "free some space, or choose another disk",
            )
        elif abs(skew) > SKEW:
            yield Finding(
                "warning",
                f"{what}: the clock of {where} differs by {skew:+.0f} s from this machine's",
                "set both clocks (NTP): changed files are noticed by their times",
            )
        else:
            yield Finding("ok", f"{what}: {where}, {free / GB:.0f} GB free")


def clock_skew(folder: Path) -> float:
    """Returns the seconds by which the time of a new file in a folder is ahead of this machine's clock.

    Raises:
        OSError: if no file can be written there.
    """
    handle, name = tempfile.mkstemp(prefix=".frozenvl-doctor-", dir=folder)
    try:
        before = time.time()
        os.write(handle, b"x")
        os.fsync(handle)
        written = os.fstat(handle).st_mtime
        return min(0.0, written - before) + max(0.0, written - time.time())
    finally:
        os.close(handle)
        Path(name).unlink()


def models() -> Iterator[Finding]:
    """Tells which models `frozenvl fetch` has made."""
    from frozenvl.pretrained import zoo

    there = [recipe.name for recipe in zoo.RECIPES if (zoo.models() / recipe.name).is_dir()]
    if there:
        yield Finding("ok", f"fetched models: {', '.join(there)}")
    else:
        yield Finding("note", "no small models are fetched, which the demo uses", "frozenvl fetch")
