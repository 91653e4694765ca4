"""Trials of a sweep, kept in an Optuna study. No other module imports Optuna.

Trials are begun under a lock, so that no two workers get the same run. A lease in the run's folder (`lease.py`) shows
whether its worker is alive, because Optuna's journal storage has no heartbeat.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState

from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.lease import Attempt, claim
from frozenvl.sweep.spec import Range, Spec
from frozenvl.sweep.state import is_done
from frozenvl.util.errors import UserError
from frozenvl.util.files import write_once

JOURNAL = "optuna.journal"
"""File in a sweep's folder that holds the study, unless the specification names another storage."""
PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "halving": partial(optuna.pruners.SuccessiveHalvingPruner, min_resource=1, reduction_factor=2),
    "hyperband": partial(optuna.pruners.HyperbandPruner, min_resource=1, reduction_factor=2),
}
"""Pruners by name. Their resource is the number of validations."""
SAMPLERS: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
    "tpe": partial(optuna.samplers.TPESampler, constant_liar=True),
    "random": optuna.samplers.RandomSampler,
}


@dataclass(frozen=True)
class TrialTask:
    """Work of an Optuna trial: one run of a grid, or one point of a search with all its seeds."""

    trial: Trial
    runs: Sequence[SweepRun]
    attempt: Attempt | None
    """Attempt at the first run that is not done; None if all are done."""


class SweepStudy:
    """Optuna study of a sweep.

    Args:
        spec: specification of the sweep.
        retry: true to run again what has failed so far.

    Raises:
        UserError: if the storage cannot be reached.
    """

    def __init__(self, spec: Spec, retry: bool = False) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.spec = spec
        journal = str(spec.folder.absolute() / JOURNAL)
        self._lock = JournalFileSymlinkLock(f"{journal}.tasks", grace_period=120)
        id_file = spec.folder / "id"  # tells apart the studies of two folders in one database
        write_once(id_file, uuid.uuid4().hex[:12])
        with self._locked():  # if two processes create the tables of a database at once, one of them fails
            self.study = optuna.create_study(
                study_name=f"{spec.name} {id_file.read_text()}",
                storage=open_storage(spec.storage or journal),
                direction=spec.direction,
                pruner=PRUNERS[spec.pruner](),
                load_if_exists=True,
            )
        self._repeated = {
            trial.number
            for trial in self._trials()
            if (trial.state == TrialState.FAIL and retry)
            or (trial.state == TrialState.COMPLETE and not spec.search and self.next_run(runs_of(trial)))
        }
        """Numbers of failed trials, and of runs whose results were removed: new trials get their work."""

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the sweep's lock, which one worker on all machines that share the folder can have at a time."""
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # held too long: another process has taken it
                self._lock.release()

    def take(self) -> TrialTask | None:
        """Takes the next trial: one whose worker is gone, or else a new one. Returns None if there is none."""
        with self._locked():
            trials = [trial for trial in self._trials() if trial.state != TrialState.WAITING]
            # A trial has no runs if its worker was killed before it drew the point.
            begun = [trial for trial in trials if "runs" in trial.user_attrs]
            for trial in (trial for trial in begun if trial.state == TrialState.RUNNING):
                if task := self._claim(trial._trial_id, runs_of(trial)):
                    return task
            for params, runs in self._missing(begun):
                # Each trial seeds a new sampler, since two workers must not draw the same point.
                self.study.sampler = SAMPLERS[self.spec.sampler](seed=len(self._trials()))
                if params:
                    self.study.enqueue_trial(params)
                asked = self.study.ask({key: distribution(drawn) for key, drawn in self.spec.search.items()})
                runs = runs or [SweepRun(Point("", asked.params), seed) for seed in self.spec.seeds]
                asked.set_user_attr("runs", [run.as_json() for run in runs])
                if task := self._claim(asked._trial_id, runs):
                    return task
        return None

    def _missing(self, begun: Sequence[FrozenTrial]) -> Iterator[tuple[dict[str, Any], list[SweepRun]]]:
        """Yields what the study lacks: runs of a grid, or values of a search's points, mostly none until drawn."""
        current = [trial for trial in begun if trial.number not in self._repeated]
        known = {run.key for trial in current for run in runs_of(trial)}
        yield from (({}, [run]) for run in self.spec.runs if run.key not in known)
        failed = [trial.params for trial in begun if trial.number in self._repeated]
        again = [params for params in failed if params not in [trial.params for trial in current]]
        for _ in range(len(current), self.spec.trials):
            yield again.pop() if again else {}, []

    def _claim(self, trial_id: int, runs: Sequence[SweepRun]) -> TrialTask | None:
        """Begins an attempt at a trial's next run; returns None if another worker has that run."""
        run = self.next_run(runs)
        attempt = claim(self.spec.folder / run.name) if run else None
        if run and not attempt:
            return None
        # Optuna has no public way to reopen a running trial.
        return TrialTask(Trial(self.study, trial_id), runs, attempt)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def next_run(self, runs: Sequence[SweepRun]) -> SweepRun | None:
        """Returns the first run that is not done, or None."""
        return next((run for run in runs if not is_done(self.spec.folder / run.name)), None)

    def tell(self, task: TrialTask, value: float | None = None, pruned: bool = False) -> None:
        """Ends a trial with its metric, as pruned or as failed. Several workers may do so when all runs are done."""
        if value is not None and math.isnan(value):
            value = None
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        with self._locked():
            self.study.tell(task.trial, value, TrialState.PRUNED if pruned else state, skip_if_finished=True)


def runs_of(trial: FrozenTrial) -> list[SweepRun]:
    """Reads the runs from the attributes of a trial."""
    return [SweepRun.from_json(run) for run in trial.user_attrs["runs"]]


def distribution(drawn: Range) -> BaseDistribution:
    """Returns a range or a list of choices as Optuna has it."""
    if drawn.choices:
        return CategoricalDistribution(drawn.choices)
    if isinstance(drawn.low, int) and isinstance(drawn.high, int):
        return IntDistribution(drawn.low, drawn.high, drawn.log)
    return FloatDistribution(drawn.low, drawn.high, drawn.log)


def open_storage(place: str) -> JournalStorage | RDBStorage:
    """Opens Optuna's storage at the URL of a database or the path of a journal file.

    Raises:
        UserError: if it cannot be reached.
    """
    try:
        if "://" in place:
            return RDBStorage(place)
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(place))
    except Exception as error:  # database drivers have exceptions of their own
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        problem = f"storage {place} cannot be reached ({reason})"
        without_password = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", problem)[:400]
        raise UserError(
            f"{without_password}; check the address, or leave storage out to keep the sweep's state in its folder"
        ) from None
