"""Which worker has a run: attempts numbered in its folder, each a file that its worker touches while it lives.

Attempt n + 1 is created exclusively, by one worker alone, once attempt n has ended or fallen silent; that takes no
lock of the file system's, so it holds on network folders too. The files stay, as a record of each attempt.
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

BEAT = 10.0
"""Seconds between two signs of life."""
STALE = 60.0
"""Seconds without one after which a run is taken over."""


def this_host() -> str:
    """The machine, with the name space of its process ids where it tells it (containers have their own)."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{platform.node()} {space}".strip()


class Lease:
    """An attempt of this process at a run; use as a context, which keeps giving signs of life."""

    def __init__(self, folder: Path, number: int, content: dict[str, Any], beat: float) -> None:
        self.folder, self.number, self.content, self.beat = folder, number, content, beat
        self.lost = threading.Event()
        """Set where another has taken over, since this process was silent for too long."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    @property
    def path(self) -> Path:
        return self.folder / "attempts" / f"{self.number}.json"

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def end(self, how: str, **more: Any) -> None:
        """Says what became of it."""
        if not self._taken():
            write_atomically(self.path, json.dumps(self.content | {"ended": how} | more) + "\n")

    def in_a_row(self, how: str) -> int:
        """How many attempts right before this one ended so."""
        ended = (attempt(self.folder, number).get("ended") for number in range(self.number - 1, 0, -1))
        return len(list(takewhile(how.__eq__, ended)))

    def _keep(self) -> None:
        while not self._ended.wait(self.beat):
            if self._taken():
                self.lost.set()
                return
            with suppress(OSError):  # a network disk may be away for a moment; `stale` allows for some beats
                os.utime(self.path)

    def _taken(self) -> bool:
        return (self.folder / "attempts" / f"{self.number + 1}.json").exists()


def claim(folder: Path, beat: float = BEAT, stale: float = STALE) -> Lease | None:
    """Takes a run, where nobody has it.

    Args:
        folder: of the run.
        beat, stale: seconds.
    """
    attempts = folder / "attempts"
    attempts.mkdir(parents=True, exist_ok=True)
    number, last = last_attempt(folder)
    if number and alive(folder, number, last, stale):
        return None
    lease = Lease(folder, number + 1, {"host": this_host(), "pid": os.getpid()}, beat)
    try:
        with lease.path.open("x") as file:
            file.write(json.dumps(lease.content) + "\n")
    except FileExistsError:
        return None
    return lease


def last_attempt(folder: Path) -> tuple[int, dict[str, Any]]:
    """Its number, 0 where there was none, and what is known of it."""
    numbers = [int(path.stem) for path in folder.glob("attempts/*.json") if path.stem.isdigit()]
    return (max(numbers), attempt(folder, max(numbers))) if numbers else (0, {})


def attempt(folder: Path, number: int) -> dict[str, Any]:
    """What is known of an attempt."""
    try:
        return dict(json.loads((folder / "attempts" / f"{number}.json").read_text()))
    except (OSError, ValueError):  # is being written, or there was none
        return {}


def alive(folder: Path, number: int, content: dict[str, Any], stale: float = STALE) -> bool:
    """Whether somebody is at it."""
    if "ended" in content:
        return False
    if content.get("host") == this_host() and not process_lives(content["pid"]):
        return False
    try:
        return now(folder) - (folder / "attempts" / f"{number}.json").stat().st_mtime < stale
    except FileNotFoundError:
        return False


def process_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def now(folder: Path) -> float:
    """The time by the clock that dates the files of a folder: machines that share it may disagree."""
    clock = folder / "attempts" / ".clock"
    clock.touch()
    return clock.stat().st_mtime
