"""Queue and results of a sweep, kept in an Optuna study. No other module imports Optuna.

Every run is enqueued under a lock and taken with `ask`, so that no two workers get the same one. A lease in the run's
folder (`lease.py`) shows whether its worker is alive, because Optuna's journal storage has no heartbeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState

from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.spec import Range, Spec
from frozenvl.sweep.state import identity_of
from frozenvl.util.errors import UserError

JOURNAL = "optuna.journal"
"""File in a sweep's folder that holds the study, unless the specification names another storage."""
PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


@dataclass(frozen=True)
class TrialTask:
    """Work of an Optuna trial: one run of a grid, or one point of a search with all its seeds."""

    number: int
    """Number of the trial in the study."""
    runs: tuple[SweepRun, ...]

    @classmethod
    def of(cls, trial: FrozenTrial | Trial) -> TrialTask:
        """Reads the runs from the attributes of a trial."""
        return cls(trial.number, tuple(SweepRun.from_json(run) for run in trial.user_attrs["runs"]))


class SweepStudy:
    """Optuna study of a sweep.

    Args:
        spec: specification of the sweep.
        folder: folder of the sweep.

    Raises:
        UserError: if the storage cannot be reached.
    """

    def __init__(self, spec: Spec, folder: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.spec = spec
        self._lock = JournalFileSymlinkLock(str(folder.absolute() / JOURNAL) + ".tasks", grace_period=120)
        name = f"{spec.name} {identity_of(folder)}"  # makes the folder, which the lock needs
        with self.locked():  # if two processes create the tables of a database at once, one of them fails
            self.study = optuna.create_study(
                study_name=name,
                storage=open_storage(spec.storage or str(folder / JOURNAL)),
                direction=spec.direction,
                pruner=PRUNERS[spec.pruner](),
                load_if_exists=True,
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the sweep's lock, which one process on all machines that share the folder can have at a time."""
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # held too long: another process has taken it
                self._lock.release()

    def fill(self, done: Callable[[SweepRun], bool], retry: bool = False) -> None:
        """Enqueues the runs, or the number of trials of a search, that the study lacks.

        Args:
            done: function that returns whether a run's folder has its scores.
            retry: true to enqueue failed trials again.
        """
        with self.locked():
            trials = [trial for trial in self._trials() if "dropped" not in trial.user_attrs]
            failed = [trial for trial in trials if retry and trial.state == TrialState.FAIL]
            trials = [trial for trial in trials if trial not in failed]
            if self.spec.search:
                missing = max(0, self.spec.trials - len(trials))
                failed_params: list[dict[str, Any]] = [trial.params for trial in failed]
                for params in [*failed_params, *[{}] * missing][:missing]:
                    self.study.enqueue_trial(params)
                return
            enqueued = {
                trial.user_attrs["key"]
                for trial in trials
                if trial.state != TrialState.COMPLETE or done(TrialTask.of(trial).runs[0])
            }
            for run in self.spec.runs:
                if run.key not in enqueued:
                    self.study.enqueue_trial({"run": run.key}, {"key": run.key, "runs": [run.as_json()]})

    def take(self, claim: Callable[[TrialTask], bool]) -> TrialTask | None:
        """Takes the next trial: one whose worker is gone, or else a waiting one. Returns None if there is none.

        Args:
            claim: function that tries to get the lease of a trial's run; false if another worker has it.
        """
        wanted = {run.key for run in self.spec.runs}
        with self.locked():
            trials = self._trials()
            for trial in trials:
                if trial.state != TrialState.RUNNING:
                    continue
                if "runs" not in trial.user_attrs:  # its worker was killed before it drew the point
                    self._drop(Trial(self.study, trial._trial_id))
                elif claim(task := TrialTask.of(trial)):
                    return task
            for _ in [trial for trial in trials if trial.state == TrialState.WAITING]:
                # Each trial seeds a new sampler, since two workers must not draw the same point.
                begun = sum(trial.state != TrialState.WAITING for trial in self._trials())
                self.study.sampler = make_sampler(self.spec, begun)
                asked = self.study.ask()
                if self.spec.search:
                    self._suggest(asked)
                elif asked.user_attrs["key"] not in wanted:  # no longer in the specification
                    self._drop(asked)
                    continue
                if claim(task := TrialTask.of(asked)):
                    return task
        return None

    def tell(self, task: TrialTask, value: float | None) -> None:
        """Records the metric of a trial; None or NaN records a failure."""
        if value is None or value != value:
            self._finish(task, TrialState.FAIL)
        else:
            self._finish(task, TrialState.COMPLETE, value)

    def pruned(self, task: TrialTask) -> None:
        """Records that a trial was pruned."""
        self._finish(task, TrialState.PRUNED)

    def judge(self, task: TrialTask) -> Callable[[int, float], bool]:
        """Returns the pruner's function for a trial: (step, metric) → whether to prune the trial."""
        (frozen,) = (trial for trial in self._trials() if trial.number == task.number)
        trial = Trial(self.study, frozen._trial_id)  # Optuna has no public way to reopen a running trial

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            return trial.should_prune()

        return report

    def _finish(self, task: TrialTask, state: TrialState, value: float | None = None) -> None:
        """Ends a trial; workers that find all its runs done may do this several times."""
        with self.locked():
            self.study.tell(task.number, value, state=state, skip_if_finished=True)

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _suggest(self, trial: Trial) -> None:
        point = Point("", {key: suggest(trial, key, drawn) for key, drawn in self.spec.search.items()})
        trial.set_user_attr("runs", [SweepRun(point, seed).as_json() for seed in self.spec.seeds])

    def _drop(self, trial: Trial) -> None:
        trial.set_user_attr("dropped", True)
        self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def suggest(trial: Trial, key: str, drawn: Range) -> Any:
    """Returns a value of a key, chosen by the trial's sampler from a range or a list."""
    if drawn.choices:
        return trial.suggest_categorical(key, list(drawn.choices))
    if isinstance(drawn.low, int) and isinstance(drawn.high, int):
        return trial.suggest_int(key, drawn.low, drawn.high, log=drawn.log)
    return trial.suggest_float(key, drawn.low, drawn.high, log=drawn.log)


def make_sampler(spec: Spec, seed: int) -> optuna.samplers.BaseSampler:
    """Makes the sampler of a search. A grid gets one that is never used."""
    if spec.search and spec.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


def open_storage(place: str) -> JournalStorage | RDBStorage:
    """Opens Optuna's storage.

    Args:
        place: URL of a database, or path of a journal file.

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
        raise UserError(
            f"storage {without_password(place)} cannot be reached ({without_password(reason)[:200]}); check the "
            "address, or leave storage out to keep the sweep's state in its folder"
        ) from None


def without_password(text: str) -> str:
    """Returns text with the passwords in URLs replaced by ***."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
