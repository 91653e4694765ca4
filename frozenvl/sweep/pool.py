"""Runs a sweep on one machine by several worker processes."""

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
"""Seconds between two updates of the dashboard."""
GRACE_SECONDS = 90.0
"""Seconds that an interrupted worker has to end by itself: more than `trial.GRACE_SECONDS`."""


def run_workers(
    path: Path, spec: Spec, options: Mapping[str, str], jobs: int, at_most: int | None, stop: Stop
) -> int:
    """Runs a sweep by worker processes that share the cores evenly.

    Args:
        path: file of the specification.
        spec: content of that file.
        options: settings of this machine: dotted key → value.
        jobs: number of workers.
        at_most: maximum number of trials of each worker; None for no limit.
        stop: signal that ends the workers.

    Returns:
        The exit status: 0, or 128 + n after signal n.

    Raises:
        RunError: if a run or a worker failed.
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
            "frozenvl: interrupted; finished runs are kept, the others resume when the sweep runs again",
            file=sys.stderr,
        )
        return 128 + stop.signal
    conclude(spec, [worker.returncode for worker in workers])
    return 0


def threads_each(jobs: int) -> int:
    """Returns each worker's share of the cores, at least 1; 0 if OMP_NUM_THREADS is set, which then applies."""
    if "OMP_NUM_THREADS" in os.environ:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def conclude(spec: Spec, statuses: Sequence[int]) -> None:
    """Prints failures and progress after the workers have ended, and writes the sweep's report.

    Args:
        spec: specification of the sweep.
        statuses: exit statuses of the workers.

    Raises:
        RunError: if a run or a worker failed.
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
    """Returns the file with the output of a worker of this machine."""
    return spec.folder / f"worker-{platform.node()}-{number}.log"
