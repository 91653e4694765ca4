"""Worker of a sweep: runs one trial after another until no free trial is left."""

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
"""Number of kills in a row after which a run has failed: it probably needs more memory than the machine has."""


@dataclass
class Worker:
    """Worker that takes trials from a study and runs their commands.

    Args:
        study: queue of the sweep.
        trials: runner of the commands.
        say: function that gets a line at the start and at the end of each attempt.
    """

    study: SweepStudy
    trials: Trials
    say: Callable[[str], None] = print
    ran: list[tuple[SweepRun, Outcome]] = field(default_factory=list)
    """Attempts of this worker, with their outcomes."""
    _lease: Lease | None = None

    @property
    def failed(self) -> bool:
        """Whether one of the attempts failed."""
        return any(outcome == "failed" for _, outcome in self.ran)

    def work(self, at_most: int | None = None) -> None:
        """Runs trials until none is left, a signal comes, or `at_most` of them ran.

        Args:
            at_most: maximum number of trials; None for no limit.

        Raises:
            UserError: if a run that is done lacks the metric.
        """
        done = 0
        while (at_most is None or done < at_most) and not self.trials.stop.signal:
            task = self.study.take(self._claim)
            if task is None:
                return
            done += self._attempt(task)

    def _claim(self, task: TrialTask) -> bool:
        """Takes the lease of a trial's first run that is not done; returns false if another worker has it.

        If all runs are done, returns true, and there is no lease.
        """
        run = self._todo(task)
        self._lease = claim(self.trials.spec.folder / run.name) if run else None
        return run is None or self._lease is not None

    def _todo(self, task: TrialTask) -> SweepRun | None:
        return next((run for run in task.runs if not is_done(self.trials.spec.folder / run.name)), None)

    def _attempt(self, task: TrialTask) -> bool:
        """Runs the runs of a trial that are not done; returns whether it started any."""
        began = False
        while (run := self._todo(task)) is not None:
            if self._lease is None and not self._claim(task):
                return began  # another worker has the next run
            began = True
            outcome = self._run(task, run)
            if outcome == "failed":
                self.study.tell(task, None)
            elif outcome == "pruned":
                self.study.pruned(task)
            if outcome not in ("done", "killed"):  # a killed command is resumed at once
                return began
        spec = self.trials.spec
        self.study.tell(task, fmean(read_metric(spec.folder / run.name, spec.metric) for run in task.runs))
        return began

    def _run(self, task: TrialTask, run: SweepRun) -> Outcome:
        lease, spec = self._lease, self.trials.spec
        assert lease is not None
        note_run(lease.folder, run)
        self.say(f"{run.name}: {'started' if lease.number == 1 else f'resumed, attempt {lease.number}'}")
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
            ending = f"failed: {last_line(lease.folder / LOG)} (full log: {lease.folder / LOG})"
        elif outcome == "done":
            try:
                ending = f"{spec.metric} {read_metric(lease.folder, spec.metric):.4g}"
            except UserError:
                self.study.tell(task, None)
                raise
        self.say(f"{run.name}: {ending}")
        return outcome
