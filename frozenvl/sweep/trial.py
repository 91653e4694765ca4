"""One run of a sweep: `frozenvl fit` and `frozenvl validate`, continued where an earlier attempt stopped."""

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
from frozenvl.util.files import read_lines

POLL_SECONDS = 0.5
"""Between two looks at a running command."""
GRACE_SECONDS = 60.0
"""For an interrupted command to end by itself."""
LOG = "log.txt"

Outcome = Literal["done", "failed", "pruned", "interrupted", "killed", "lost"]
Report = Callable[[int, float], bool]
"""Takes a step and its metric; returns whether to give the run up."""


@dataclass
class Stop:
    """The signal that this process was sent and passes on to its commands; 0 for none."""

    signal: int = 0

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, _: Any) -> None:
        self.signal = number


@dataclass(frozen=True)
class Trials:
    """Runs the commands of a sweep's runs.

    Args:
        spec: the sweep.
        options: settings of this machine, for all runs: dotted key → value.
        batch_size: pairs of an optimiser step, unless a run sets its own.
        threads: CPU threads of each command; 0 leaves them to the environment.
        stop: ends the running command when it has a signal.
        program: the command line before the arguments of `frozenvl`.
    """

    spec: Spec
    options: Mapping[str, Any]
    batch_size: int
    threads: int
    stop: Stop = field(default_factory=Stop)
    program: Sequence[str] = (sys.executable, "-m", "frozenvl.sweep.child")

    def run(self, run: SweepRun, lease: Lease, report: Report | None = None) -> Outcome:
        """Does what is left to do of a run; `report` is told of the metric when validation logs it in the fit."""
        folder, settings = lease.folder, arguments(self.spec, run, self.options, self.batch_size)
        if not (folder / "cost.json").exists():  # a fit writes it last
            saved = newest_checkpoint(folder)
            start = f"--ckpt_path={saved}" if saved else "--overwrite=true"
            outcome = self._call(["fit", *settings, start], lease, report)
            if outcome != "done":
                return outcome
        last = f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"
        batches = argument("trainer.limit_val_batches", self.spec.validate)
        return self._call(["validate", *settings, last, batches], lease)

    def _call(self, options: Sequence[str], lease: Lease, report: Report | None = None) -> Outcome:
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        with (lease.folder / LOG).open("a") as log:
            log.write(f"\n$ frozenvl {' '.join(options)}\n")
            log.flush()
            child = subprocess.Popen(
                [*self.program, *options],
                stdin=subprocess.PIPE,  # closes when this process dies: `child.py` ends the command then
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | threads,
                start_new_session=True,  # Ctrl-C at the terminal reaches it through this process alone
            )
            try:
                outcome = self._attend(child, lease, report)
            finally:
                kill(child)
            if outcome is not None:
                return outcome
            if number := signal_of(child.returncode):
                if self.stop.signal:  # Slurm, for one, sends it to all processes of a job
                    return "interrupted"
                cause = ", as the kernel does where memory runs out" if number == signal.SIGKILL else ""
                log.write(f"killed by {number.name}{cause}\n")
                return "killed"
        return "done" if child.returncode == 0 else "failed"

    def _attend(self, child: subprocess.Popen, lease: Lease, report: Report | None) -> Outcome | None:
        """Waits for a command; None where it ended by itself."""
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
    """The arguments of `frozenvl fit` for a run; a later one overrides an earlier one."""
    settings = spec.settings_of(run.point.arm) | dict(run.point.values)
    limits = budget(spec, settings.get("data.batch_size", batch_size))
    return [
        *(f"--config={file}" for file in spec.config),
        *(argument(key, value) for key, value in (settings | limits | dict(options)).items()),
        f"--name={spec.name}/{run.name}",
        f"--seed_everything={run.seed}",
    ]


def argument(key: str, value: Any) -> str:
    """A setting as an argument of `frozenvl fit`."""
    return f"--{key}={value if isinstance(value, str) else json.dumps(value)}"


def budget(spec: Spec, batch_size: int) -> dict[str, Any]:
    """The settings that end a fit."""
    limits: dict[str, Any] = {}
    for kind, amount in spec.budget.items():
        if kind == "minutes":
            limits["trainer.max_time"] = {"seconds": round(amount * 60)}
        else:
            steps = round(amount / batch_size) if kind == "pairs" else int(amount)
            limits["trainer.max_steps"] = max(1, steps)
    return limits


def newest_checkpoint(folder: Path) -> Path | None:
    """last.ckpt, or the checkpoint written last where a kill came before that."""
    last = folder / "checkpoints" / "last.ckpt"
    if last.is_file():
        return last
    return max(folder.glob("checkpoints/*.ckpt"), key=lambda path: path.stat().st_mtime, default=None)


def last_line(file: Path) -> str:
    """The last line that a command wrote to its log."""
    lines = file.read_text(errors="replace").split("\n") if file.is_file() else []
    written = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return written[-1].removeprefix("frozenvl: error: ")[:300] if written else "it wrote nothing"


def signal_of(status: int) -> signal.Signals | None:
    """The signal that ended a process, by its exit status: -n, or 128 + n where `frozenvl` obeyed signal n."""
    number = -status if status < 0 else status - 128
    return signal.Signals(number) if number in {*signal.Signals} else None


def wait(child: subprocess.Popen, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def kill(child: subprocess.Popen) -> None:
    """Kills a command and all that it started, where it still runs."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()
    child.wait()
