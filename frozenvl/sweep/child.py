"""`python -m frozenvl.sweep.child …`: the command `frozenvl`, for as long as the process that started it lives.

A worker that is killed must not leave a training behind that goes on beside the one that takes its run up.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def watch() -> None:
    """Ends this process and its children, a session of their own, when the other end of standard input is gone."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    from frozenvl.cli import main

    threading.Thread(target=watch, daemon=True).start()
    sys.exit(main())
