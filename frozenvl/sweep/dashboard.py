"""Live state of a sweep while its workers run: a table on a terminal, else a line for each change."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from frozenvl.sweep.spec import Spec
from frozenvl.sweep.state import RunState, read_runs

if TYPE_CHECKING:
    from rich.table import Table

MAX_ROWS = 24
"""Maximum number of rows. Running runs come first, then failed and interrupted ones, then those that changed last."""


@contextmanager
def dashboard(spec: Spec) -> Iterator[Callable[[], None]]:
    """Yields a function that reads the state of the sweep and shows it."""
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

    def print_changes() -> None:
        for state in read_runs(spec.folder, spec.metric, settled):
            if before.get(state.run.name) != state.state:
                value = f" {spec.metric} {state.value:.4g}" if state.value is not None else ""
                print(f"{state.run.name}: {state.state}{value}", file=sys.stderr, flush=True)
                before[state.run.name] = state.state

    yield print_changes


def as_table(spec: Spec, states: Sequence[RunState]) -> Table:
    """Returns a table with a row for each run, running runs first."""
    from rich.markup import escape
    from rich.table import Table

    counts = Counter(state.state for state in states)
    parts = [f"{spec.name}: {counts['done']} of {spec.run_count} done"]
    parts += [f"{number} {state}" for state, number in counts.items() if state != "done"]
    title = ", ".join(parts) + time_left(spec, states)
    table = Table("run", "state", "step", spec.metric, "pairs/s", "minutes", title=escape(title))
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


def time_left(spec: Spec, states: Sequence[RunState]) -> str:
    """Returns the estimated time left as text, from the mean duration of the runs that are done; empty without any."""
    took = [state.seconds for state in states if state.state == "done"]
    running = [state.seconds for state in states if state.state == "running"]
    if not took or not running:
        return ""
    seconds = (fmean(took) * (spec.run_count - len(took)) - sum(running)) / len(running)
    return f", about {max(1, round(seconds / 60))} minutes left"
