"""Leases of runs. Each attempt at a run is a numbered file in its folder, which the worker touches as a heartbeat.

Attempt n + 1 can be created once attempt n has ended or has no heartbeat. Exclusive creation of a file needs no file
locks, so it works on network folders too. The files stay as a record of the attempts.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from frozenvl.util.files import write_atomically

BEAT_SECONDS = 10.0
"""Seconds between two heartbeats."""
STALE_SECONDS = 60.0
"""Seconds without a heartbeat after which another worker may take the run."""


def this_host() -> str:
    """Returns the machine's name and, on Linux, its PID namespace: containers on one machine have different ones."""
    space = Path("/proc/self/ns/pid")
    return f"{platform.node()} {space.readlink() if space.is_symlink() else ''}".strip()


class Lease:
    """Attempt of this process at a run. As a context manager, it sends heartbeats from a thread."""

    def __init__(self, folder: Path, number: int, beat: float) -> None:
        self.folder, self.number, self.beat = folder, number, beat
        self.content = {"host": this_host(), "pid": os.getpid()}
        self.lost = threading.Event()
        """Event that is set when another worker has taken the run, because the heartbeats stopped for too long."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    @property
    def path(self) -> Path:
        """File of the attempt."""
        return attempt_file(self.folder, self.number)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def end(self, outcome: str) -> None:
        """Records the outcome of the attempt."""
        if not self._taken():
            write_atomically(self.path, json.dumps(self.content | {"ended": outcome}) + "\n")

    def in_a_row(self, outcome: str) -> int:
        """Returns how many attempts in a row, just before this one, had an outcome."""
        earlier = (attempt(self.folder, number).get("ended") for number in range(self.number - 1, 0, -1))
        return len(list(takewhile(outcome.__eq__, earlier)))

    def _keep(self) -> None:
        while not self._ended.wait(self.beat):
            if self._taken():
                self.lost.set()
                return
            with suppress(OSError):  # a network disk may fail briefly; STALE_SECONDS is several beats
                os.utime(self.path)

    def _taken(self) -> bool:
        return attempt_file(self.folder, self.number + 1).exists()


def claim(folder: Path, beat: float = BEAT_SECONDS, stale: float = STALE_SECONDS) -> Lease | None:
    """Takes the lease of a run; returns None if another worker has it.

    Args:
        folder: folder of the run.
        beat: seconds between two heartbeats.
        stale: seconds without a heartbeat after which an attempt counts as dead.
    """
    number, last = last_attempt(folder)
    if number and alive(folder, number, last, stale):
        return None
    lease = Lease(folder, number + 1, beat)
    lease.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with lease.path.open("x") as file:
            file.write(json.dumps(lease.content) + "\n")
    except FileExistsError:
        return None
    return lease


def attempt_file(folder: Path, number: int) -> Path:
    """Returns the path of an attempt's file."""
    return folder / "attempts" / f"{number}.json"


def last_attempt(folder: Path) -> tuple[int, dict[str, Any]]:
    """Returns the number of the last attempt, or 0, and its content."""
    numbers = (int(path.stem) for path in folder.glob("attempts/*.json") if path.stem.isdigit())
    number = max(numbers, default=0)
    return number, attempt(folder, number)


def attempt(folder: Path, number: int) -> dict[str, Any]:
    """Reads an attempt's file; returns an empty dict if it is missing or not complete yet."""
    try:
        return dict(json.loads(attempt_file(folder, number).read_text()))
    except (OSError, ValueError):
        return {}


def alive(folder: Path, number: int, content: dict[str, Any], stale: float = STALE_SECONDS) -> bool:
    """Returns whether the worker of an attempt is alive.

    Args:
        folder: folder of the run.
        number: number of the attempt.
        content: content of its file.
        stale: seconds without a heartbeat after which an attempt counts as dead.
    """
    if "ended" in content:
        return False
    if content.get("host") == this_host() and not process_lives(content["pid"]):
        return False
    try:
        return now(folder) - attempt_file(folder, number).stat().st_mtime < stale
    except FileNotFoundError:
        return False


def process_lives(pid: int) -> bool:
    """Returns whether a process of this machine exists."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # another user's process
    return True


def now(folder: Path) -> float:
    """Returns the time of the file system's clock, because the clocks of machines that share it may differ."""
    clock = folder / "attempts" / ".clock"
    clock.touch()
    return clock.stat().st_mtime
