"""Leases: which worker has a run. Attempts are numbered files in the run's folder; a living worker touches its own.

Attempt n + 1 is created exclusively, once attempt n has ended or fallen silent. That needs no lock of the file system,
so it works on network folders too. The files stay as a record of each attempt.
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
"""Between two signs of life."""
STALE_SECONDS = 60.0
"""Without a sign of life, after which a run is taken over."""


def this_host() -> str:
    """The machine, with the name space of its process ids where there is one (containers have their own)."""
    space = Path("/proc/self/ns/pid")
    return f"{platform.node()} {space.readlink() if space.is_symlink() else ''}".strip()


class Lease:
    """This process's attempt at a run; used as a context, it keeps giving signs of life."""

    def __init__(self, folder: Path, number: int, beat: float) -> None:
        self.folder, self.number, self.beat = folder, number, beat
        self.content = {"host": this_host(), "pid": os.getpid()}
        self.lost = threading.Event()
        """Set when another worker has taken over because this process was silent for too long."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    @property
    def path(self) -> Path:
        return attempt_file(self.folder, self.number)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def end(self, outcome: str) -> None:
        """Records how the attempt ended."""
        if not self._taken():
            write_atomically(self.path, json.dumps(self.content | {"ended": outcome}) + "\n")

    def in_a_row(self, outcome: str) -> int:
        """How many attempts right before this one ended so."""
        earlier = (attempt(self.folder, number).get("ended") for number in range(self.number - 1, 0, -1))
        return len(list(takewhile(outcome.__eq__, earlier)))

    def _keep(self) -> None:
        while not self._ended.wait(self.beat):
            if self._taken():
                self.lost.set()
                return
            with suppress(
                OSError
            ):  # a network disk may be away for a moment; STALE_SECONDS allows for some beats
                os.utime(self.path)

    def _taken(self) -> bool:
        return attempt_file(self.folder, self.number + 1).exists()


def claim(folder: Path, beat: float = BEAT_SECONDS, stale: float = STALE_SECONDS) -> Lease | None:
    """Takes the run of a folder; None where another worker has it."""
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
    return folder / "attempts" / f"{number}.json"


def last_attempt(folder: Path) -> tuple[int, dict[str, Any]]:
    """The number of the last attempt, 0 where there was none, and its content."""
    numbers = (int(path.stem) for path in folder.glob("attempts/*.json") if path.stem.isdigit())
    number = max(numbers, default=0)
    return number, attempt(folder, number)


def attempt(folder: Path, number: int) -> dict[str, Any]:
    """The content of an attempt's file; empty where it is being written, or missing."""
    try:
        return dict(json.loads(attempt_file(folder, number).read_text()))
    except (OSError, ValueError):
        return {}


def alive(folder: Path, number: int, content: dict[str, Any], stale: float = STALE_SECONDS) -> bool:
    """Whether a worker is at an attempt."""
    if "ended" in content:
        return False
    if content.get("host") == this_host() and not process_lives(content["pid"]):
        return False
    try:
        return now(folder) - attempt_file(folder, number).stat().st_mtime < stale
    except FileNotFoundError:
        return False


def process_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # another user's process
    return True


def now(folder: Path) -> float:
    """The time by the clock that dates the folder's files: machines that share it may disagree."""
    clock = folder / "attempts" / ".clock"
    clock.touch()
    return clock.stat().st_mtime
