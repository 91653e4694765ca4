"""A worker: takes one run after another, until none is left that nobody is at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from frozenvl.sweep.grid import Run
from frozenvl.sweep.lease import Lease, claim
from frozenvl.sweep.state import is_done, note_run, read_metric
from frozenvl.sweep.study import SweepStudy, Task
from frozenvl.sweep.trial import Ended, Trials, log_of
from frozenvl.util.errors import UserError

KILLS = 3
"""A run whose command was killed so often in a row has failed: it may take more memory than there is."""


@dataclass
class Worker:
    """Runs trials of a sweep.

    Args:
        say: is told of each run in a line.
    """

    study: SweepStudy
    trials: Trials
    say: Callable[[str], None] = print
    ran: list[tuple[Run, Ended]] = field(default_factory=list)
    """What this worker ran, and what became of it."""
    _lease: Lease | None = None

    @property
    def failed(self) -> bool:
        return any(ended == "failed" for _, ended in self.ran)

    def work(self, at_most: int | None = None) -> None:
        """Takes trials until none is left, it is stopped, or it ran so many.

        Raises:
            UserError: where a run has no score of the metric's name.
        """
        done = 0
        while (at_most is None or done < at_most) and not self.trials.stop.signal:
            task = self.study.take(self._claim)
            if task is None:
                return
            done += self._attempt(task)

    def _claim(self, task: Task) -> bool:
        """Takes the first run of a trial that is not done; there may be none left."""
        self._lease = None
        run = self._todo(task)
        if run is None:
            return True
        self._lease = claim(self.trials.spec.folder / run.name)
        return self._lease is not None

    def _todo(self, task: Task) -> Run | None:
        return next((run for run in task.runs if not is_done(self.trials.spec.folder / run.name)), None)

    def _attempt(self, task: Task) -> bool:
        """Runs a trial to its end, if nothing comes between; whether there was anything to run."""
        began = False
        while (run := self._todo(task)) is not None:
            if self._lease is None and not self._claim(task):
                return began  # somebody else has it
            began = True
            ended = self._run(task, run)
            if ended == "failed":
                self.study.tell(task, None)
            elif ended == "pruned":
                self.study.pruned(task)
            if ended not in ("done", "killed"):  # a command that was killed is taken up again at once
                return began
        values = [
            read_metric(self.trials.spec.folder / run.name, self.trials.spec.metric) for run in task.runs
        ]
        self.study.tell(task, sum(values) / len(values))
        return began

    def _run(self, task: Task, run: Run) -> Ended:
        lease, spec = self._lease, self.trials.spec
        assert lease is not None
        note_run(lease.folder, run)
        self.say(f"{run.name}: {'begun' if lease.number == 1 else f'taken up, attempt {lease.number}'}")
        report = self.study.judge(task) if spec.pruner else None
        with lease:
            ended = self.trials.run(run, lease, report)
        if ended == "killed" and lease.in_a_row("killed") + 1 >= KILLS:
            ended = "failed"
        self.ran.append((run, ended))
        self._lease = None
        if ended != "lost":
            lease.end(ended)
        if ended == "failed":
            self.say(f"{run.name}: failed: {log_of(lease.folder)} ({lease.folder / 'log.txt'} has all of it)")
        elif ended == "done":
            try:
                self.say(f"{run.name}: {spec.metric} {read_metric(lease.folder, spec.metric):.4g}")
            except UserError:
                self.study.tell(task, None)
                raise
        else:
            self.say(f"{run.name}: {ended}")
        return ended
