"""Worker of a sweep: runs one trial after another until no free trial is left.

A run is two commands: `frozenvl fit`, then `frozenvl validate`. Both resume an earlier attempt.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from frozenvl.sweep.grid import SweepRun
from frozenvl.sweep.lease import Attempt, claim
from frozenvl.sweep.spec import argument
from frozenvl.sweep.state import read_metric
from frozenvl.sweep.study import SweepStudy, Trial, TrialTask
from frozenvl.training.run_folder import last_checkpoint
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_lines, write_atomically

POLL_SECONDS = 0.5
"""Seconds between two checks of a running command."""
GRACE_SECONDS = 60.0
"""Seconds that an interrupted command has to end by itself."""
MAX_KILLS = 3
"""Number of kills in a row after which a run has failed: it probably needs more memory than the machine has."""
LOG = "log.txt"
"""File in a run's folder with the output of its commands."""

Outcome = Literal["done", "failed", "pruned", "interrupted", "killed", "lost"]


@dataclass
class Worker:
    """Worker that takes trials from a study and runs their commands. Several threads may share it.

    Args:
        study: trials of the sweep.
        options: settings of this machine, for all runs: dotted key → value.
        batch_size: pairs per optimiser step of runs that do not set `data.batch_size`.
        threads: CPU threads of each command; 0 keeps OMP_NUM_THREADS as it is.
        say: function that gets a line at the start and at the end of each attempt.
        program: the command line before the arguments of `frozenvl`.
    """

    study: SweepStudy
    options: Mapping[str, Any]
    batch_size: int
    threads: int = 0
    say: Callable[[str], Any] = print
    program: Sequence[str] = (sys.executable, "-m", "frozenvl.sweep.child")
    outcomes: list[Outcome] = field(default_factory=list)
    """Outcomes of all attempts."""
    signal: int = 0
    """Number of the signal that ends the commands; 0 before there is one."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Context manager with handlers of SIGINT and SIGTERM. It gives back the former ones at its end."""
        former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number in former:
                signal.signal(number, lambda number, _: setattr(self, "signal", number))
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def work(self, at_most: int | None = None) -> None:
        """Runs trials until none is left, a signal comes, or `at_most` of them ran.

        Raises:
            UserError: if a run that is done lacks the metric.
        """
        done = 0
        while (at_most is None or done < at_most) and not self.signal:
            task = self.study.take()
            if task is None:
                return
            done += self._work_on(task)

    def _work_on(self, task: TrialTask) -> bool:
        """Runs the runs of a trial that are not done; returns whether it started any."""
        spec, attempt, began = self.study.spec, task.attempt, False
        while run := self.study.next_run(task.runs):
            attempt = attempt or claim(spec.folder / run.name)
            if attempt is None:  # another worker has the next run
                return began
            began, outcome = True, self._attempt(task, run, attempt)
            if outcome not in ("done", "killed"):  # a killed command is resumed at once
                return began
            attempt = None
        self.study.tell(task, fmean(read_metric(spec.folder / run.name, spec.metric) for run in task.runs))
        return began

    def _attempt(self, task: TrialTask, run: SweepRun, attempt: Attempt) -> Outcome:
        """Runs the commands of a run, and records how they ended."""
        folder, metric = attempt.folder, self.study.spec.metric
        write_atomically(folder / "trial.json", json.dumps(run.as_json(), indent=1) + "\n")
        self.say(f"{run.name}: {'started' if attempt.number == 1 else f'resumed, attempt {attempt.number}'}")
        outcome = self._run(task, run, attempt)
        if outcome == "killed" and attempt.in_a_row("killed") + 1 >= MAX_KILLS:
            outcome = "failed"
        self.outcomes.append(outcome)
        if outcome != "lost":
            attempt.end(outcome)
        ending: str = outcome
        if outcome == "pruned":
            self.study.tell(task, pruned=True)
        elif outcome == "failed":
            self.study.tell(task)
            ending = f"failed: {last_line(folder)} (full log: {folder / LOG})"
        elif outcome == "done":
            try:
                ending = f"{metric} {read_metric(folder, metric):.4g}"
            except UserError:
                self.study.tell(task)
                raise
        self.say(f"{run.name}: {ending}")
        return outcome

    def _run(self, task: TrialTask, run: SweepRun, attempt: Attempt) -> Outcome:
        """Runs the commands of a run that are not complete yet."""
        spec, folder = self.study.spec, attempt.folder
        settings = spec.arguments(run, self.options, self.batch_size)
        if not (folder / "cost.json").exists():  # a fit writes it last
            saved = checkpoint_of(folder)
            start = f"--ckpt_path={saved}" if saved else "--overwrite=true"
            outcome = self._call(["fit", *settings, start], attempt, task.trial if spec.pruner else None)
            if outcome != "done":
                return outcome
        last = f"--ckpt_path={checkpoint_of(folder) or 'last'}"
        batches = argument("trainer.limit_val_batches", spec.validate)
        return self._call(["validate", *settings, last, batches], attempt)

    def _call(self, options: Sequence[str], attempt: Attempt, pruned: Trial | None = None) -> Outcome:
        """Runs a command of `frozenvl`. The pruner of the trial `pruned` may end it."""
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        with (attempt.folder / LOG).open("a") as log:
            log.write(f"\n$ frozenvl {' '.join(options)}\n")
            log.flush()
            with subprocess.Popen(
                [*self.program, *options],
                stdin=subprocess.PIPE,  # closes when this process dies, upon which `child.py` ends the command
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | threads,
                start_new_session=True,  # Ctrl-C reaches only this process, which passes it on
            ) as child:
                try:
                    outcome = self._attend(child, attempt, pruned)
                finally:
                    if child.poll() is None:
                        os.killpg(child.pid, signal.SIGKILL)
            # The exit status after signal n is -n, or 128 + n as `frozenvl` returns.
            number = -child.returncode if child.returncode < 0 else child.returncode - 128
            if outcome is None and number in {*signal.Signals}:
                if self.signal:  # Slurm sends the signal to all processes of a job
                    return "interrupted"
                cause = ", probably because memory ran out" if number == signal.SIGKILL else ""
                log.write(f"killed by {signal.Signals(number).name}{cause}\n")
                return "killed"
        return outcome or ("failed" if child.returncode else "done")

    def _attend(self, child: subprocess.Popen, attempt: Attempt, pruned: Trial | None) -> Outcome | None:
        """Waits for a command; returns None if it ended by itself, else the reason to end it."""
        metric, reported = self.study.spec.metric, set[int]()
        while child.poll() is None:
            if not attempt.beat():
                return "lost"
            if self.signal:
                os.killpg(child.pid, self.signal)
                end = time.monotonic() + GRACE_SECONDS
                while child.poll() is None and attempt.beat() and time.monotonic() < end:
                    wait(child, POLL_SECONDS)
                return "interrupted"
            if pruned is not None:
                for number, value in enumerate(validations(attempt.folder, metric), 1):
                    if number not in reported:
                        reported.add(number)
                        pruned.report(value, number)
                        if pruned.should_prune():
                            return "pruned"
            wait(child, POLL_SECONDS)
        return None


def validations(run: Path, metric: str) -> list[float]:
    """Returns the metric at each validation of a fit so far, in order. One that was repeated after a kill counts once.

    A pruner counts validations, not steps: its first rungs would all lie before the first validation, which it would
    then judge by all of them at once.
    """
    rows = read_lines(run / "history.jsonl")
    values = {row["step"]: row[metric] for row in rows if metric in row}
    return [values[step] for step in sorted(values)]


def checkpoint_of(folder: Path) -> Path | str | None:
    """Returns the last checkpoint of a run, and `last` if it is lost: the command then says so in its log."""
    try:
        return last_checkpoint(folder)
    except UserError:
        return "last"


def wait(child: subprocess.Popen, seconds: float) -> None:
    """Waits until a process ends, for at most some seconds."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def last_line(run: Path) -> str:
    """Returns the last line in the log of a run's commands, at most 300 characters."""
    log = run / LOG
    lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
    written = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return written[-1].removeprefix("frozenvl: error: ")[:300] if written else "no output"
