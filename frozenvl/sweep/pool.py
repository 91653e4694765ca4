"""A sweep on one machine: workers beside each other, and a table of how it stands while they work."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from frozenvl.sweep.report import report_sweep
from frozenvl.sweep.spec import Spec
from frozenvl.sweep.state import RunState, read_runs
from frozenvl.sweep.trial import Stop, kill, log_of, wait
from frozenvl.util.errors import RunError

LOOK = 2.0
"""Seconds between two looks at the folder."""
SHOWN = 24
"""Rows of the table; of more, those that are running and the last that ended."""


def run_workers(path: Path, spec: Spec, given: Sequence[str], jobs: int, at_most: int | None) -> int:
    """Runs a sweep by workers that divide the cores; returns the exit status.

    Args:
        path: of the specification.
        given: settings of this machine's own, as KEY=VALUE.
        at_most: runs of each worker.

    Raises:
        RunError: where runs failed.
    """
    stop = Stop()
    stop.listen()
    command = [sys.executable, "-m", "frozenvl.sweep.child", "sweep", str(path), "--worker"]
    command += [f"--threads={threads_each(jobs)}", *(f"--set={text}" for text in given)]
    command += [f"--trials={at_most}"] if at_most else []
    logs = [(spec.folder / log_name(number)).open("w") for number in range(jobs)]
    workers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        for log in logs
    ]
    try:
        with shown(spec) as show:
            while any(worker.poll() is None for worker in workers):
                if stop.signal:
                    for worker in workers:
                        if worker.poll() is None:
                            worker.send_signal(stop.signal)
                    for worker in workers:
                        wait(worker, 90)
                    break
                show()
                time.sleep(LOOK if sys.stderr.isatty() else LOOK / 4)
            show()
    finally:
        for worker, log in zip(workers, logs, strict=True):
            kill(worker)
            log.close()
    if stop.signal:
        print(
            "frozenvl: interrupted; what was finished is kept, the rest is taken up next time",
            file=sys.stderr,
        )
        return 128 + stop.signal
    return conclude(spec, [worker.returncode for worker in workers])


def threads_each(jobs: int) -> int:
    """The share of the cores that each of so many runs has; 0 where the environment says it."""
    if "OMP_NUM_THREADS" in os.environ:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def conclude(spec: Spec, statuses: Sequence[int]) -> int:
    """Says how the sweep stands after its workers ended."""
    states = read_runs(spec.folder, spec.metric)
    failed = [state for state in states if state.state == "failed"]
    for state in failed:
        print(f"{state.run.name}: failed: {log_of(state.folder)} ({state.folder}/log.txt)", file=sys.stderr)
    if any(state.state == "done" for state in states):
        report_sweep(spec.folder, spec.folder / "report")
    keys = {run.key for run in spec.runs}
    done = sum(state.state == "done" and (not keys or state.run.key in keys) for state in states)
    print(f"{done} of {wanted(spec)} runs done")
    if failed:
        raise RunError(
            f"{len(failed)} of the runs failed; `--retry` runs {'it' if len(failed) == 1 else 'them'} again"
        )
    for number, status in enumerate(statuses):
        if status:
            lines = (spec.folder / log_name(number)).read_text(errors="replace").strip().split("\n")
            raise RunError(f"worker {number} stopped: {lines[-1].removeprefix('frozenvl: error: ')[:300]}")
    return 0


def wanted(spec: Spec) -> int:
    return spec.trials * len(spec.seeds) if spec.search else len(spec.runs)


def log_name(number: int) -> str:
    return f"worker-{platform.node()}-{number}.log"


@contextmanager
def shown(spec: Spec) -> Iterator[Any]:
    """A table that is drawn again and again on a terminal, else a line for each change."""
    settled: dict[Path, RunState] = {}
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), auto_refresh=False) as live:
            yield lambda: live.update(
                as_table(spec, read_runs(spec.folder, spec.metric, settled)), refresh=True
            )
        return
    before = {state.run.name: state.state for state in read_runs(spec.folder, spec.metric, settled)}

    def say() -> None:
        for state in read_runs(spec.folder, spec.metric, settled):
            if before.get(state.run.name) != state.state:
                value = f" {spec.metric} {state.value:.4g}" if state.value is not None else ""
                print(f"{state.run.name}: {state.state}{value}", file=sys.stderr, flush=True)
                before[state.run.name] = state.state

    yield say


def as_table(spec: Spec, states: Sequence[RunState]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    counts = Counter(state.state for state in states)
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if state != "done")
    title = f"{spec.name}: {counts['done']} of {wanted(spec)} done" + (f", {told}" if told else "")
    table = Table(
        "run", "state", "step", spec.metric, "pairs/s", "minutes", title=escape(title + left(spec, states))
    )
    order = {"running": 0, "failed": 1, "interrupted": 2}
    rows = sorted(states, key=lambda state: (order.get(state.state, 3), -state.folder.stat().st_mtime))
    for state in rows[:SHOWN]:
        table.add_row(
            escape(state.run.name),
            escape(state.doing),
            str(state.step or ""),
            "" if state.value is None else f"{state.value:.4g}",
            f"{state.cost['pairs_per_second']:.1f}" if state.cost.get("pairs_per_second") else "",
            f"{state.seconds / 60:.1f}",
        )
    return table


def left(spec: Spec, states: Sequence[RunState]) -> str:
    """How long it is going to take, judged by the runs that are done."""
    took = [state.seconds for state in states if state.state == "done"]
    under_way = [state for state in states if state.state == "running"]
    if not took or not under_way:
        return ""
    rest = fmean(took) * (wanted(spec) - len(took)) - sum(state.seconds for state in under_way)
    return f", about {max(1, round(rest / len(under_way) / 60))} minutes left"
