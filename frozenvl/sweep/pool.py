"""Runs a sweep on one machine by several threads, and shows its state: a table, or a line for each change."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from frozenvl.sweep.report import report_sweep
from frozenvl.sweep.spec import Spec
from frozenvl.sweep.state import RunState, read_runs
from frozenvl.sweep.worker import LOG, Worker, last_line
from frozenvl.util.cores import available_cores
from frozenvl.util.errors import RunError

if TYPE_CHECKING:
    from rich.table import Table

LOOK_SECONDS = 2.0
"""Seconds between two updates of the dashboard."""
MAX_ROWS = 24
"""Maximum number of rows. Running runs come first, then failed and interrupted ones, then those that changed last."""


def run_workers(worker: Worker, jobs: int, at_most: int | None) -> int:
    """Runs a sweep by several threads of a worker, whose commands share the cores evenly, and writes its report.

    Args:
        worker: worker to run.
        jobs: number of threads.
        at_most: maximum number of trials of each thread; None for no limit.

    Returns:
        The exit status: 0, or 128 + n after signal n.

    Raises:
        RunError: if a run failed.
        UserError: if a run that is done lacks the metric.
    """
    spec, worker.threads, worker.say = worker.study.spec, threads_each(jobs), lambda line: None
    with ThreadPoolExecutor(jobs) as pool, dashboard(spec) as update:
        threads = [pool.submit(worker.work, at_most) for _ in range(jobs)]
        try:
            while wait(threads, LOOK_SECONDS if sys.stderr.isatty() else LOOK_SECONDS / 4).not_done:
                update()
            update()
        except BaseException:
            worker.signal = signal.SIGTERM  # otherwise the threads would run all that is left first
            raise
    if worker.signal:
        print(
            "frozenvl: interrupted; finished runs are kept, the others resume when the sweep runs again",
            file=sys.stderr,
        )
        return 128 + worker.signal
    states = read_runs(spec.folder, spec.metric)
    failed = [state for state in states if state.state == "failed"]
    for state in failed:
        print(f"{state.run.name}: failed: {last_line(state.folder)} ({state.folder / LOG})", file=sys.stderr)
    if any(state.state == "done" for state in states):
        report_sweep(spec.folder, spec.folder / "report")
    wanted = {run.key for run in spec.runs}
    done = sum(state.state == "done" and (not wanted or state.run.key in wanted) for state in states)
    print(f"{done} of {spec.run_count} runs done")
    if failed:
        pronoun = "it" if len(failed) == 1 else "them"
        raise RunError(f"{len(failed)} of the runs failed; `--retry` runs {pronoun} again")
    for thread in threads:
        thread.result()
    return 0


def threads_each(jobs: int) -> int:
    """Returns each worker's share of the cores, at least 1; 0 if OMP_NUM_THREADS is set, which then applies."""
    if "OMP_NUM_THREADS" in os.environ:
        return 0
    return max(1, available_cores() // jobs)


@contextmanager
def dashboard(spec: Spec) -> Iterator[Callable[[], None]]:
    """Yields a function that reads the state of the sweep and shows it."""
    read = partial(read_runs, spec.folder, spec.metric, {})
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), auto_refresh=False) as live:
            yield lambda: live.update(as_table(spec, read()), refresh=True)
        return
    before = {state.run.name: state.state for state in read()}

    def print_changes() -> None:
        for state in read():
            if before.get(state.run.name) != state.state:
                before[state.run.name] = state.state
                value = f" {spec.metric} {state.value:.4g}" if state.value is not None else ""
                print(f"{state.run.name}: {state.state}{value}", file=sys.stderr, flush=True)

    yield print_changes


def as_table(spec: Spec, states: Sequence[RunState]) -> Table:
    """Returns a table with a row for each run, running runs first."""
    from rich.markup import escape
    from rich.table import Table

    counts = Counter(state.state for state in states)
    parts = [f"{spec.name}: {counts['done']} of {spec.run_count} done"]
    parts += [f"{number} {state}" for state, number in counts.items() if state != "done"]
    took = [state.seconds for state in states if state.state == "done"]
    running = [state.seconds for state in states if state.state == "running"]
    if took and running:
        seconds = (fmean(took) * (spec.run_count - len(took)) - sum(running)) / len(running)
        parts.append(f"about {max(1, round(seconds / 60))} minutes left")
    table = Table("run", "state", "step", spec.metric, "pairs/s", "minutes", title=escape(", ".join(parts)))
    order = {"running": 0, "failed": 1, "interrupted": 2}
    rows = sorted(states, key=lambda state: (order.get(state.state, 3), -state.folder.stat().st_mtime))
    for state in rows[:MAX_ROWS]:
        table.add_row(
            escape(state.run.name),
            escape(state.doing),
            str(state.step or ""),
            "" if state.value is None else f"{state.value:.4g}",
            f"{state.cost['pairs_per_second']:.1f}" if state.cost.get("pairs_per_second") else "",
            f"{state.seconds / 60:.1f}",
        )
    return table
