"""The sweep as a study of Optuna: which trials there are, which is next, what they reached. The one file on Optuna.

Every run is enqueued under a lock and then taken with `ask`, so each is handed out once. Whether a worker is still at
a run, the run's folder tells (`lease.py`): Optuna's journal storage has no heartbeat.
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
PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


@dataclass(frozen=True)
class TrialTask:
    """A trial of Optuna: one run of a grid, or a point of a search with all its seeds."""

    number: int
    runs: tuple[SweepRun, ...]

    @classmethod
    def of(cls, trial: FrozenTrial | Trial) -> TrialTask:
        return cls(trial.number, tuple(SweepRun.from_json(run) for run in trial.user_attrs["runs"]))


class SweepStudy:
    """The study of a sweep.

    Raises:
        UserError: its storage cannot be reached.
    """

    def __init__(self, spec: Spec, folder: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.spec = spec
        self._lock = JournalFileSymlinkLock(str(folder.absolute() / JOURNAL) + ".tasks", grace_period=120)
        name = f"{spec.name} {identity_of(folder)}"  # makes the folder, where the lock lies
        with self.locked():  # of two processes that create a database's tables at once, one fails
            self.study = optuna.create_study(
                study_name=name,
                storage=open_storage(spec.storage or str(folder / JOURNAL)),
                direction=spec.direction,
                pruner=PRUNERS[spec.pruner](),
                load_if_exists=True,
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Admits one process at a time, on all machines that share the folder."""
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # the lock was taken from a process that held it for too long
                self._lock.release()

    def fill(self, done: Callable[[SweepRun], bool], retry: bool = False) -> None:
        """Enqueues what the specification asks for and the study lacks.

        Args:
            done: whether a run's folder holds its scores.
            retry: whether to enqueue failed trials again.
        """
        with self.locked():
            trials = [trial for trial in self._trials() if "dropped" not in trial.user_attrs]
            failed = [trial for trial in trials if retry and trial.state == TrialState.FAIL]
            trials = [trial for trial in trials if trial not in failed]
            if self.spec.search:
                missing = max(0, self.spec.trials - len(trials))
                drawn: list[dict[str, Any]] = [trial.params for trial in failed]
                for params in [*drawn, *[{}] * missing][:missing]:
                    self.study.enqueue_trial(params)
                return
            known = {
                trial.user_attrs["key"]
                for trial in trials
                if trial.state != TrialState.COMPLETE or done(TrialTask.of(trial).runs[0])
            }
            for run in self.spec.runs:
                if run.key not in known:
                    self.study.enqueue_trial({"run": run.key}, {"key": run.key, "runs": [run.as_json()]})

    def take(self, claim: Callable[[TrialTask], bool]) -> TrialTask | None:
        """The next trial: one that its worker has left, or else one that waits.

        Args:
            claim: tries to take a trial's run; False where another worker has it.
        """
        wanted = {run.key for run in self.spec.runs}
        with self.locked():
            trials = self._trials()
            for trial in trials:
                if trial.state != TrialState.RUNNING:
                    continue
                if "runs" not in trial.user_attrs:  # its worker was killed before it had a point
                    self._drop(Trial(self.study, trial._trial_id))
                elif claim(task := TrialTask.of(trial)):
                    return task
            for _ in [trial for trial in trials if trial.state == TrialState.WAITING]:
                # A sampler with a seed of its own for each trial: two workers must not draw the same point.
                begun = sum(trial.state != TrialState.WAITING for trial in self._trials())
                self.study.sampler = make_sampler(self.spec, begun)
                asked = self.study.ask()
                if self.spec.search:
                    self._suggest(asked)
                elif asked.user_attrs["key"] not in wanted:  # taken out of the specification
                    self._drop(asked)
                    continue
                if claim(task := TrialTask.of(asked)):
                    return task
        return None

    def tell(self, task: TrialTask, value: float | None) -> None:
        """Records what a trial reached; None, or NaN, where it failed."""
        if value is None or value != value:
            self._finish(task, TrialState.FAIL)
        else:
            self._finish(task, TrialState.COMPLETE, value)

    def pruned(self, task: TrialTask) -> None:
        """Records that a trial was given up."""
        self._finish(task, TrialState.PRUNED)

    def judge(self, task: TrialTask) -> Callable[[int, float], bool]:
        """A function of a step and its metric that says whether to give the trial up."""
        (frozen,) = (trial for trial in self._trials() if trial.number == task.number)
        trial = Trial(self.study, frozen._trial_id)  # the one way back to a trial that was asked for

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            return trial.should_prune()

        return report

    def _finish(self, task: TrialTask, state: TrialState, value: float | None = None) -> None:
        """Ends a trial; several workers may do so at once where its runs were done before."""
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
    """A value of a key, as Optuna's sampler chooses it."""
    if drawn.choices:
        return trial.suggest_categorical(key, list(drawn.choices))
    if isinstance(drawn.low, int) and isinstance(drawn.high, int):
        return trial.suggest_int(key, drawn.low, drawn.high, log=drawn.log)
    return trial.suggest_float(key, drawn.low, drawn.high, log=drawn.log)


def make_sampler(spec: Spec, seed: int) -> optuna.samplers.BaseSampler:
    if spec.search and spec.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


def open_storage(place: str) -> JournalStorage | RDBStorage:
    """The storage at a database's URL, or else in a journal file.

    Raises:
        UserError: it cannot be reached.
    """
    try:
        if "://" in place:
            return RDBStorage(place)
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(place))
    except Exception as error:  # of whichever driver
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"storage {without_password(place)} cannot be reached ({without_password(reason)[:200]}); check the "
            "address, or leave storage out to keep the sweep's state in its folder"
        ) from None


def without_password(text: str) -> str:
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
