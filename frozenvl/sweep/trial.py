"""Commands of one run of a sweep: `frozenvl fit`, then `frozenvl validate`; both resume an earlier attempt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from frozenvl.sweep.grid import SweepRun
from frozenvl.sweep.lease import Lease
from frozenvl.sweep.spec import Spec
from frozenvl.training.run_folder import last_checkpoint
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_lines

POLL_SECONDS = 0.5
"""Seconds between two checks of a running command."""
GRACE_SECONDS = 60.0
"""Seconds that an interrupted command has to end by itself."""
LOG = "log.txt"
"""File in a run's folder with the output of its commands."""

Outcome = Literal["done", "failed", "pruned", "interrupted", "killed", "lost"]
Report = Callable[[int, float], bool]
"""Function of a step and its metric that returns whether to prune the run."""


@dataclass
class Stop:
    """Signal that this process has received and passes on to its commands."""

    signal: int = 0
    """Number of the signal; 0 before there was one."""

    def listen(self) -> None:
        """Installs the handlers of SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, _: Any) -> None:
        self.signal = number


@dataclass(frozen=True)
class Trials:
    """Runs the commands of a sweep's runs.

    Args:
        spec: specification of the sweep.
        options: settings of this machine, for all runs: dotted key → value.
        batch_size: pairs per optimiser step of runs that do not set `data.batch_size`.
        threads: CPU threads of each command; 0 keeps OMP_NUM_THREADS as it is.
        stop: signal that ends the running command.
        program: the command line before the arguments of `frozenvl`.
    """

    spec: Spec
    options: Mapping[str, Any]
    batch_size: int
    threads: int
    stop: Stop = field(default_factory=Stop)
    program: Sequence[str] = (sys.executable, "-m", "frozenvl.sweep.child")

    def run(self, run: SweepRun, lease: Lease, report: Report | None = None) -> Outcome:
        """Runs the commands of a run that are not complete yet.

        Args:
            run: point and seed.
            lease: lease of its folder.
            report: function that gets each value of the metric that validation logs during the fit, for pruning.
        """
        folder, settings = lease.folder, arguments(self.spec, run, self.options, self.batch_size)
        if not (folder / "cost.json").exists():  # a fit writes it last
            saved = checkpoint_of(folder)
            start = f"--ckpt_path={saved}" if saved else "--overwrite=true"
            outcome = self._call(["fit", *settings, start], lease, report)
            if outcome != "done":
                return outcome
        last = f"--ckpt_path={checkpoint_of(folder) or 'last'}"
        batches = argument("trainer.limit_val_batches", self.spec.validate)
        return self._call(["validate", *settings, last, batches], lease)

    def _call(self, options: Sequence[str], lease: Lease, report: Report | None = None) -> Outcome:
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        with (lease.folder / LOG).open("a") as log:
            log.write(f"\n$ frozenvl {' '.join(options)}\n")
            log.flush()
            child = subprocess.Popen(
                [*self.program, *options],
                stdin=subprocess.PIPE,  # closes when this process dies, upon which `child.py` ends the command
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | threads,
                start_new_session=True,  # Ctrl-C reaches only this process, which passes it on
            )
            try:
                outcome = self._attend(child, lease, report)
            finally:
                kill(child)
            if outcome is not None:
                return outcome
            if number := signal_of(child.returncode):
                if self.stop.signal:  # Slurm sends the signal to all processes of a job
                    return "interrupted"
                cause = ", probably because memory ran out" if number == signal.SIGKILL else ""
                log.write(f"killed by {number.name}{cause}\n")
                return "killed"
        return "done" if child.returncode == 0 else "failed"

    def _attend(self, child: subprocess.Popen, lease: Lease, report: Report | None) -> Outcome | None:
        """Waits for a command; returns None if it ended by itself, else the reason to end it."""
        reported: set[int] = set()
        while child.poll() is None:
            if lease.lost.is_set():
                return "lost"
            if self.stop.signal:
                os.killpg(child.pid, self.stop.signal)
                wait(child, GRACE_SECONDS)
                return "interrupted"
            if report is not None:
                for row in read_lines(lease.folder / "history.jsonl"):
                    if self.spec.metric in row and row["step"] not in reported:
                        reported.add(row["step"])
                        if report(row["step"], row[self.spec.metric]):
                            return "pruned"
            wait(child, POLL_SECONDS)
        return None


def arguments(spec: Spec, run: SweepRun, options: Mapping[str, Any], batch_size: int) -> list[str]:
    """Returns the arguments of `frozenvl fit` for a run; later ones override earlier ones.

    Args:
        spec: specification of the sweep.
        run: point and seed.
        options: settings of this machine: dotted key → value.
        batch_size: pairs per optimiser step, unless the run sets `data.batch_size`.
    """
    settings = spec.settings_of(run.point.arm) | dict(run.point.values)
    limits = budget(spec, settings.get("data.batch_size", batch_size))
    return [
        *(f"--config={file}" for file in spec.config),
        *(argument(key, value) for key, value in (settings | limits | dict(options)).items()),
        f"--name={spec.name}/{run.name}",
        f"--seed_everything={run.seed}",
    ]


def argument(key: str, value: Any) -> str:
    """Returns a setting as an argument of `frozenvl fit`: "--KEY=VALUE"."""
    return f"--{key}={value if isinstance(value, str) else json.dumps(value)}"


def budget(spec: Spec, batch_size: int) -> dict[str, Any]:
    """Returns the trainer's settings that end a fit after the specification's budget."""
    limits: dict[str, Any] = {}
    for kind, amount in spec.budget.items():
        if kind == "minutes":
            limits["trainer.max_time"] = {"seconds": round(amount * 60)}
        else:
            steps = round(amount / batch_size) if kind == "pairs" else int(amount)
            limits["trainer.max_steps"] = max(1, steps)
    return limits


def checkpoint_of(folder: Path) -> Path | str | None:
    """Returns the last checkpoint of a run, and `last` if it is lost: the command then says so in its log."""
    try:
        return last_checkpoint(folder)
    except UserError:
        return "last"


def last_line(file: Path) -> str:
    """Returns the last line in the log of a command, at most 300 characters."""
    lines = file.read_text(errors="replace").split("\n") if file.is_file() else []
    written = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return written[-1].removeprefix("frozenvl: error: ")[:300] if written else "no output"


def signal_of(status: int) -> signal.Signals | None:
    """Returns the signal n that ended a process, if its exit status is -n, or 128 + n as `frozenvl` returns."""
    number = -status if status < 0 else status - 128
    return signal.Signals(number) if number in {*signal.Signals} else None


def wait(child: subprocess.Popen, seconds: float) -> None:
    """Waits until a process ends, for at most some seconds."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def kill(child: subprocess.Popen) -> None:
    """Kills a command and the processes that it started, if it still runs."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()
    child.wait()
