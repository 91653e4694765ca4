"""Runs in separate processes that can be killed. They are forked, since imports take longer than a run."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.figure  # noqa: F401 - imported here once, before forks
from running import CONFIG, Runs

DRILL = ("--config", CONFIG.parent / "faults" / "drill.yaml")
PATIENCE = 60
"""Seconds after which a process that should have ended counts as hanging."""


class Process:
    """Forked process that leads its own process group.

    Args:
        body: function that the process calls; its result is the exit status.
        log: file for stdout and stderr.
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
        """Returns the exit status, negative for a signal; raises if the process hangs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"still running after {seconds} s:\n{self.output()}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal to the whole process group."""
        os.killpg(self.pid, number)

    def output(self) -> str:
        return self.log.read_text()


def start(frozenvl: Runs, *options: object, name: str = "cut", ranks: int = 1) -> Process:
    """Starts `frozenvl fit` in a process."""
    return Process(lambda: frozenvl("fit", *DRILL, *options, name=name, ranks=ranks), Path(f"{name}.log"))


def until(path: Path, text: str = "", seconds: float = PATIENCE) -> str:
    """Waits until a file contains a text; returns its content."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.is_file() and text in (found := path.read_text()):
            return found
        time.sleep(0.005)
    raise AssertionError(f"no {text!r} in {path}")
