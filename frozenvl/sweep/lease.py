"""Leases of runs. Each attempt at a run is a numbered file in its folder, which the worker touches as a heartbeat.

Attempt n + 1 can be created once attempt n has ended or has no heartbeat. Exclusive creation of a file needs no file
locks, so it works on network folders too. The files stay as a record of the attempts.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import psutil

from frozenvl.util.files import write_atomically

BEAT_SECONDS = 10.0
"""Seconds between two heartbeats."""
STALE_SECONDS = 60.0
"""Seconds without a heartbeat after which another worker may take the run."""


def this_host() -> str:
    """Returns the machine's name and, on Linux, its PID namespace: containers on one machine have different ones."""
    space = Path("/proc/self/ns/pid")
    return f"{platform.node()} {space.readlink() if space.is_symlink() else ''}".strip()


class Attempt:
    """Attempt number 1, 2, … at the run in a folder, as its file records it. There is no attempt 0."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        self.path = folder / "attempts" / f"{number}.json"
        self.content: dict[str, Any] = {}
        """Host, process and outcome (`ended`); empty if the file is missing or not complete yet."""
        with suppress(OSError, ValueError):
            self.content = dict(json.loads(self.path.read_text()))
        self._last_beat = time.monotonic()

    def alive(self) -> bool:
        """Returns whether the attempt goes on: it has not ended, and its worker is alive."""
        if not self.number or "ended" in self.content:
            return False
        if self.content.get("host") == this_host() and not psutil.pid_exists(self.content["pid"]):
            return False
        clock = self.path.with_name(".clock")  # the clocks of machines that share the file system may differ
        try:
            clock.touch()
            return clock.stat().st_mtime - self.path.stat().st_mtime < STALE_SECONDS
        except FileNotFoundError:
            return False

    def beat(self) -> bool:
        """Sends the heartbeat of this process's attempt if it is due.

        Returns:
            False if another worker has taken the run, because the heartbeats stopped for too long.
        """
        if time.monotonic() - self._last_beat < BEAT_SECONDS:
            return True
        self._last_beat = time.monotonic()
        with suppress(OSError):  # a network disk may fail briefly; STALE_SECONDS is several beats
            os.utime(self.path)
        return not self._taken()

    def end(self, outcome: str) -> None:
        """Records the outcome of the attempt."""
        if not self._taken():
            write_atomically(self.path, json.dumps(self.content | {"ended": outcome}) + "\n")

    def in_a_row(self, outcome: str) -> int:
        """Returns how many attempts in a row, just before this one, had an outcome."""
        earlier = (
            Attempt(self.folder, number).content.get("ended") for number in range(self.number - 1, 0, -1)
        )
        return len(list(takewhile(outcome.__eq__, earlier)))

    def _taken(self) -> bool:
        return self.path.with_name(f"{self.number + 1}.json").exists()


def last_attempt(folder: Path) -> Attempt:
    """Returns the last attempt at the run in a folder, or attempt 0."""
    numbers = (int(path.stem) for path in folder.glob("attempts/*.json") if path.stem.isdigit())
    return Attempt(folder, max(numbers, default=0))


def claim(folder: Path) -> Attempt | None:
    """Begins an attempt of this process at the run in a folder; returns None if another worker has it."""
    last = last_attempt(folder)
    if last.alive():
        return None
    attempt = Attempt(folder, last.number + 1)
    attempt.content = {"host": this_host(), "pid": os.getpid()}
    attempt.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with attempt.path.open("x") as file:
            file.write(json.dumps(attempt.content) + "\n")
    except FileExistsError:
        return None
    return attempt
