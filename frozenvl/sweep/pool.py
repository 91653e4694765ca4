"""A sweep on one machine: workers side by side, each a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from frozenvl.sweep.dashboard import dashboard
from frozenvl.sweep.report import report_sweep
from frozenvl.sweep.spec import Spec
from frozenvl.sweep.state import read_runs
from frozenvl.sweep.trial import LOG, Stop, kill, last_line, wait
from frozenvl.util.errors import RunError

LOOK_SECONDS = 2.0
"""Between two looks at the folder."""
GRACE_SECONDS = 90.0
"""For an interrupted worker to end by itself: more than its command has."""


def run_workers(
    path: Path, spec: Spec, options: Mapping[str, str], jobs: int, at_most: int | None, stop: Stop
) -> int:
    """Runs a sweep by workers that divide the cores; returns the exit status.

    Args:
        path: file of the specification.
        options: settings of this machine: dotted key → value.
        at_most: trials of each worker.

    Raises:
        RunError: runs failed.
    """
    command = [sys.executable, "-m", "frozenvl.sweep.child", "sweep", str(path), "--worker"]
    command += [f"--set={key}={value}" for key, value in options.items()]
    command += [f"--threads={threads_each(jobs)}"]
    command += [f"--trials={at_most}"] if at_most else []
    workers = []
    for number in range(jobs):
        with worker_log(spec, number).open("w") as log:
            workers.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
    try:
        with dashboard(spec) as update:
            while not stop.signal and any(worker.poll() is None for worker in workers):
                update()
                time.sleep(LOOK_SECONDS if sys.stderr.isatty() else LOOK_SECONDS / 4)
            if stop.signal:
                for worker in workers:
                    worker.send_signal(stop.signal)
                for worker in workers:
                    wait(worker, GRACE_SECONDS)
            update()
    finally:
        for worker in workers:
            kill(worker)
    if stop.signal:
        print(
            "frozenvl: interrupted; what was finished is kept, the rest is taken up next time",
            file=sys.stderr,
        )
        return 128 + stop.signal
    conclude(spec, [worker.returncode for worker in workers])
    return 0


def threads_each(jobs: int) -> int:
    """Each worker's share of the cores; 0 where OMP_NUM_THREADS decides."""
    if "OMP_NUM_THREADS" in os.environ:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def conclude(spec: Spec, statuses: Sequence[int]) -> None:
    """Prints how the sweep stands after its workers ended, and writes its report.

    Raises:
        RunError: a run failed, or a worker.
    """
    states = read_runs(spec.folder, spec.metric)
    failed = [state for state in states if state.state == "failed"]
    for state in failed:
        log = state.folder / LOG
        print(f"{state.run.name}: failed: {last_line(log)} ({log})", file=sys.stderr)
    if any(state.state == "done" for state in states):
        report_sweep(spec.folder, spec.folder / "report")
    wanted = {run.key for run in spec.runs}
    done = sum(state.state == "done" and (not wanted or state.run.key in wanted) for state in states)
    print(f"{done} of {spec.run_count} runs done")
    if failed:
        pronoun = "it" if len(failed) == 1 else "them"
        raise RunError(f"{len(failed)} of the runs failed; `--retry` runs {pronoun} again")
    for number, status in enumerate(statuses):
        if status:
            raise RunError(f"worker {number} stopped: {last_line(worker_log(spec, number))}")


def worker_log(spec: Spec, number: int) -> Path:
    return spec.folder / f"worker-{platform.node()}-{number}.log"
