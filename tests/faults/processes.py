"""Runs in processes of their own, that can be killed. Forked, since an import takes longer than a run."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.figure  # noqa: F401 - here, so that it is imported once
from running import CONFIG, Runs

DRILL = ("--config", CONFIG.parent / "faults" / "drill.yaml")
PATIENCE = 60
"""Seconds after which a process that should have ended counts as hanging."""


class Process:
    """The command in a forked process, which leads a group of its own.

    Args:
        body: what the process does; its result is the exit status.
        log: where all that it prints goes.
    """

    def __init__(self, body: Callable[[], int], log: Path) -> None:
        self.log = log
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            return
        status = 70
        try:
            os.setsid()
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(file, stream)
            sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
            status = body()
        finally:
            os._exit(status)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status, negative for a signal; fails the test where the process hangs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"still running after {seconds} s:\n{self.said()}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signals the whole group."""
        os.killpg(self.pid, number)

    def said(self) -> str:
        return self.log.read_text()


def start(frozenvl: Runs, *options: object, name: str = "cut", ranks: int = 1) -> Process:
    """`frozenvl fit` in a process."""
    return Process(lambda: frozenvl("fit", *DRILL, *options, name=name, ranks=ranks), Path(f"{name}.log"))


def until(path: Path, text: str = "", seconds: float = PATIENCE) -> str:
    """Waits for a file that holds a text."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.is_file() and text in (found := path.read_text()):
            return found
        time.sleep(0.005)
    raise AssertionError(f"no {text!r} in {path}")
