"""One run of a sweep: fitted, validated in full, and taken up where an earlier attempt stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from frozenvl.sweep.grid import Run, argument
from frozenvl.sweep.lease import Lease
from frozenvl.sweep.spec import Spec
from frozenvl.util.files import read_lines

POLL = 0.5
"""Seconds between two looks at a running command."""
GRACE = 60.0
"""Seconds that an interrupted command has to end by itself."""
LOG = "log.txt"
MEMORY = ", as the kernel does where memory runs out"

Ended = Literal["done", "failed", "pruned", "interrupted", "killed", "lost"]
Report = Callable[[int, float], bool]


@dataclass
class Stop:
    """A signal that this process was sent and is to pass on; 0 for none."""

    signal: int = 0

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, _: Any) -> None:
        self.signal = number


@dataclass(frozen=True)
class Trials:
    """How the runs of a sweep are run.

    Args:
        options: arguments of all of them that are this machine's own.
        batch_size: pairs of an optimiser step, where a run sets no other.
        threads: of each.
        program: what is called with the arguments of `frozenvl`.
    """

    spec: Spec
    options: Mapping[str, Any]
    batch_size: int
    threads: int
    stop: Stop = field(default_factory=Stop)
    program: Sequence[str] = (sys.executable, "-m", "frozenvl.sweep.child")

    def run(self, run: Run, lease: Lease, report: Report | None = None) -> Ended:
        """Runs what is still to be done of a run.

        Args:
            lease: on its folder.
            report: is told of the metric as validation logs it, and says whether to give the run up.
        """
        folder, own = lease.folder, arguments(self.spec, run, self.options, self.batch_size)
        if not (folder / "cost.json").exists():  # which a fit leaves at its end
            saved = newest_checkpoint(folder)
            # Without a checkpoint nothing of an earlier attempt is worth keeping.
            start = f"--ckpt_path={saved}" if saved else "--overwrite=true"
            ended = self._call(["fit", *own, start], lease, report)
            if ended != "done":
                return ended
        last = f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"
        whole = argument("trainer.limit_val_batches", self.spec.validate)
        return self._call(["validate", *own, last, whole], lease)

    def _call(self, options: Sequence[str], lease: Lease, report: Report | None = None) -> Ended:
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        with (lease.folder / LOG).open("a") as log:
            log.write(f"\n$ frozenvl {' '.join(options)}\n")
            log.flush()
            child = subprocess.Popen(
                [*self.program, *options],
                stdin=subprocess.PIPE,  # whose other end goes with this process
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | threads,
                start_new_session=True,  # what is typed at the terminal reaches it through this process alone
            )
            try:
                ended = self._attend(child, lease, report)
            finally:
                kill(child)
            if ended is None and (number := signal_of(child.returncode)):
                if self.stop.signal:  # which Slurm, for one, sends to all processes of a job
                    return "interrupted"
                log.write(f"killed by {number.name}{MEMORY if number == signal.SIGKILL else ''}\n")
                return "killed"
        if ended is not None:
            return ended
        return "done" if child.returncode == 0 else "failed"

    def _attend(self, child: subprocess.Popen, lease: Lease, report: Report | None) -> Ended | None:
        """Waits for a command; None where it ended by itself."""
        told: set[int] = set()
        while child.poll() is None:
            if lease.lost.is_set():
                return "lost"
            if self.stop.signal:
                os.killpg(child.pid, self.stop.signal)
                wait(child, GRACE)
                return "interrupted"
            if report is not None:
                for row in read_lines(lease.folder / "history.jsonl"):
                    if self.spec.metric in row and row["step"] not in told:
                        told.add(row["step"])
                        if report(row["step"], row[self.spec.metric]):
                            return "pruned"
            wait(child, POLL)
        return None


def arguments(spec: Spec, run: Run, options: Mapping[str, Any], batch_size: int) -> list[str]:
    """What `frozenvl fit` is told of a run; what stands later outweighs what stands before it."""
    settings = spec.fixed_of(run.point.arm) | dict(run.point.values)
    pairs_of_a_step = settings.get("data.batch_size", batch_size)
    return [
        *(f"--config={file}" for file in spec.config),
        *(
            argument(key, value)
            for key, value in (settings | budget(spec, pairs_of_a_step) | dict(options)).items()
        ),
        f"--name={spec.name}/{run.name}",
        f"--seed_everything={run.seed}",
    ]


def budget(spec: Spec, batch_size: int) -> dict[str, Any]:
    """The options that end a fit."""
    if spec.budget is None:
        return {}
    kind, amount = spec.budget
    if kind == "minutes":
        return {"trainer.max_time": {"seconds": round(amount * 60)}}
    return {"trainer.max_steps": max(1, round(amount / batch_size) if kind == "pairs" else int(amount))}


def newest_checkpoint(folder: Path) -> Path | None:
    """The last one, or where a kill came before that, the one that was written last."""
    last = folder / "checkpoints" / "last.ckpt"
    if last.is_file():
        return last
    return max(folder.glob("checkpoints/*.ckpt"), key=lambda path: path.stat().st_mtime, default=None)


def log_of(folder: Path) -> str:
    """The last line that a run's command wrote, for a person."""
    file = folder / LOG
    lines = file.read_text(errors="replace").split("\n") if file.is_file() else []
    said = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return said[-1].removeprefix("frozenvl: error: ")[:300] if said else "it said nothing"


def signal_of(status: int) -> signal.Signals | None:
    """What ended a process, by its exit status: a signal of itself, or one that `frozenvl` obeyed (128 + number)."""
    number = -status if status < 0 else status - 128
    return signal.Signals(number) if number in {*signal.Signals} else None


def wait(child: subprocess.Popen, seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def kill(child: subprocess.Popen) -> None:
    """Ends a command and what it started, where it still runs."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        child.stdin.close()
    child.wait()
