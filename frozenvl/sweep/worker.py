"""A worker: takes one run after another, until no run is left that no other worker is at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

from frozenvl.sweep.grid import SweepRun
from frozenvl.sweep.lease import Lease, claim
from frozenvl.sweep.state import is_done, note_run, read_metric
from frozenvl.sweep.study import SweepStudy, TrialTask
from frozenvl.sweep.trial import LOG, Outcome, Trials, last_line
from frozenvl.util.errors import UserError

MAX_KILLS = 3
"""A run whose command was killed this often in a row has failed: it may need more memory than there is."""


@dataclass
class Worker:
    """Takes trials from `study`, runs their commands by `trials`, and gives `say` a line about each run."""

    study: SweepStudy
    trials: Trials
    say: Callable[[str], None] = print
    ran: list[tuple[SweepRun, Outcome]] = field(default_factory=list)
    """The runs of this worker, and how each attempt ended."""
    _lease: Lease | None = None

    @property
    def failed(self) -> bool:
        return any(outcome == "failed" for _, outcome in self.ran)

    def work(self, at_most: int | None = None) -> None:
        """Takes trials until none is left, a signal comes, or `at_most` of them ran.

        Raises:
            UserError: a run has no score of the metric's name.
        """
        done = 0
        while (at_most is None or done < at_most) and not self.trials.stop.signal:
            task = self.study.take(self._claim)
            if task is None:
                return
            done += self._attempt(task)

    def _claim(self, task: TrialTask) -> bool:
        """Takes the first run of a trial that is not done; also True where all runs are done."""
        run = self._todo(task)
        self._lease = claim(self.trials.spec.folder / run.name) if run else None
        return run is None or self._lease is not None

    def _todo(self, task: TrialTask) -> SweepRun | None:
        return next((run for run in task.runs if not is_done(self.trials.spec.folder / run.name)), None)

    def _attempt(self, task: TrialTask) -> bool:
        """Runs a trial, to its end if nothing interrupts it; returns whether there was anything to run."""
        began = False
        while (run := self._todo(task)) is not None:
            if self._lease is None and not self._claim(task):
                return began  # another worker has it
            began = True
            outcome = self._run(task, run)
            if outcome == "failed":
                self.study.tell(task, None)
            elif outcome == "pruned":
                self.study.pruned(task)
            if outcome not in ("done", "killed"):  # a command that was killed is continued at once
                return began
        spec = self.trials.spec
        self.study.tell(task, fmean(read_metric(spec.folder / run.name, spec.metric) for run in task.runs))
        return began

    def _run(self, task: TrialTask, run: SweepRun) -> Outcome:
        lease, spec = self._lease, self.trials.spec
        assert lease is not None
        note_run(lease.folder, run)
        self.say(f"{run.name}: {'begun' if lease.number == 1 else f'taken up, attempt {lease.number}'}")
        report = self.study.judge(task) if spec.pruner else None
        with lease:
            outcome = self.trials.run(run, lease, report)
        if outcome == "killed" and lease.in_a_row("killed") + 1 >= MAX_KILLS:
            outcome = "failed"
        self.ran.append((run, outcome))
        self._lease = None
        if outcome != "lost":
            lease.end(outcome)
        ending: str = outcome
        if outcome == "failed":
            ending = f"failed: {last_line(lease.folder / LOG)} ({lease.folder / LOG} has all of it)"
        elif outcome == "done":
            try:
                ending = f"{spec.metric} {read_metric(lease.folder, spec.metric):.4g}"
            except UserError:
                self.study.tell(task, None)
                raise
        self.say(f"{run.name}: {ending}")
        return outcome
