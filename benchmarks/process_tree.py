"""Memory and CPU seconds of a command with all of its processes, for benchmarks on Linux."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

INTERVAL = 0.1
"""Seconds between two readings."""


def run(command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, float]:
    """Runs a command. Returns its output and the peak memory of all its processes together in MB.

    The memory is the sum of the proportional set sizes, which count a page that n processes share as 1/n of a page.
    A peak of less than `INTERVAL` may be missed.

    Raises:
        SystemExit: if the command fails, with its last errors.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=output, stderr=errors, env=variables)
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, sum(map(proportional_size, processes(child.pid))))
            time.sleep(INTERVAL)
        for file in (output, errors):
            file.seek(0)
        if child.returncode:
            raise SystemExit(errors.read()[-2000:])
        return output.read(), peak


def processes(first: int) -> list[int]:
    """Returns the ids of a process and of all its descendants."""
    found = [first]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def proportional_size(process: int) -> float:
    """Returns the proportional set size of a process in MB; 0 if it has ended."""
    try:
        sizes = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    size = re.search(r"^Pss:\s+(\d+)", sizes, re.MULTILINE)
    return int(size[1]) / 1024 if size else 0.0


def cpu_seconds(process: int) -> float:
    """Returns the CPU seconds of a process and of its children that have ended; 0 if it has ended itself."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def waited_seconds(process: int) -> float:
    """Returns the seconds that the main thread of a process could have run, but other programs had the cores."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0
