"""`python -m frozenvl.sweep.child …`: the command `frozenvl`, which ends when the process that started it dies.

A killed worker must not leave a fit behind: it would write beside the worker that continues the run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def watch() -> None:
    """Kills this process and its children (its session) when standard input closes."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    from frozenvl.cli import main

    threading.Thread(target=watch, daemon=True).start()
    sys.exit(main())
