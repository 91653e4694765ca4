"""Commands that end when the process that started them dies."""

from __future__ import annotations

import signal
import subprocess
import sys


def test_a_command_dies_when_its_input_closes():
    program = "from frozenvl.sweep.child import watch; print('on', flush=True); watch()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, **pipes)
    assert child.stdin is not None and child.stdout is not None and child.stdout.readline() == b"on\n"
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(timeout=30) == -signal.SIGKILL
