"""`python -m frozenvl.sweep.child …`: the command `frozenvl`, which ends when the process that started it dies.

Otherwise the fit of a killed worker would go on, and write to the same folder as the worker that resumes the run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def watch() -> None:
    """Waits until standard input closes, then kills this process and its children (its process group)."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    from frozenvl.cli import main

    threading.Thread(target=watch, daemon=True).start()
    sys.exit(main())
