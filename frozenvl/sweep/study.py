"""The sweep in Optuna: which trials there are, which is next, what they reached. All that knows Optuna stands here.

Everything that is to run is enqueued, under a lock, and then taken with `ask` while anything waits: so each is given
out once. Who still works on one that was given out, its run's folder tells (`lease.py`): journals know no heartbeat.
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

from frozenvl.sweep.grid import Point, Run
from frozenvl.sweep.spec import Range, Spec
from frozenvl.sweep.state import identity_of
from frozenvl.util.errors import UserError

JOURNAL = "optuna.journal"


@dataclass(frozen=True)
class Task:
    """A trial of Optuna's: one run of a grid, or a point of a search with all its seeds."""

    number: int
    runs: tuple[Run, ...]


class SweepStudy:
    """The study of a sweep.

    Raises:
        UserError: where its storage cannot be reached.
    """

    def __init__(self, spec: Spec, folder: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.spec = spec
        self._lock = JournalFileSymlinkLock(str(folder.absolute() / JOURNAL) + ".tasks", grace_period=120)
        name = f"{spec.name} {identity_of(folder)}"
        with self.locked():  # two that make a database's tables at once fail
            self.study = optuna.create_study(
                study_name=name,
                storage=open_storage(spec.storage or str(folder / JOURNAL)),
                direction=spec.direction,
                pruner=make_pruner(spec.pruner),
                load_if_exists=True,
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time, on all machines that share the folder."""
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # taken from a process that held it for too long
                self._lock.release()

    def fill(self, done: Callable[[Run], bool], retry: bool = False) -> int:
        """Enqueues what is wanted and not there yet; returns how much.

        Args:
            done: whether a run's folder holds its scores.
            retry: whether what failed is enqueued again.
        """
        with self.locked():
            trials = [trial for trial in self._trials() if "dropped" not in trial.user_attrs]
            failed = [trial for trial in trials if retry and trial.state == TrialState.FAIL]
            trials = [trial for trial in trials if trial not in failed]
            if self.spec.search:
                missing = max(0, self.spec.trials - len(trials))
                again = [trial.params for trial in failed]
                for params in [*again, *({} for _ in range(missing))][:missing]:
                    self.study.enqueue_trial(params)
                return missing
            there = {
                trial.user_attrs["key"]
                for trial in trials
                if trial.state != TrialState.COMPLETE or done(_task(trial).runs[0])
            }
            wanted = [run for run in self.spec.runs if run.key not in there]
            for run in wanted:
                self.study.enqueue_trial({"run": run.key}, {"key": run.key, "runs": [run.as_json()]})
            return len(wanted)

    def take(self, claim: Callable[[Task], bool]) -> Task | None:
        """The next trial: one that nobody is at any more, or else one that waits.

        Args:
            claim: tries to take a trial's run; False where somebody else has it.
        """
        wanted = {run.key for run in self.spec.runs}
        with self.locked():
            trials = self._trials()
            for trial in trials:
                if trial.state != TrialState.RUNNING:
                    continue
                if "runs" not in trial.user_attrs:  # its worker was killed before it had a point
                    self._drop(Trial(self.study, trial._trial_id))
                elif claim(_task(trial)):
                    return _task(trial)
            for _ in [trial for trial in trials if trial.state == TrialState.WAITING]:
                # A sampler of its own for each trial: two workers must not draw alike.
                begun = sum(trial.state != TrialState.WAITING for trial in self._trials())
                self.study.sampler = make_sampler(self.spec, begun)
                asked = self.study.ask()
                if self.spec.search:
                    self._suggest(asked)
                elif asked.user_attrs["key"] not in wanted:  # taken out of the specification
                    self._drop(asked)
                    continue
                task = _task(asked)
                if claim(task):
                    return task
        return None

    def tell(self, task: Task, value: float | None) -> None:
        """What a trial reached; None where it failed."""
        state = TrialState.FAIL if value is None or value != value else TrialState.COMPLETE
        self._finish(task.number, state, value if state == TrialState.COMPLETE else None)

    def pruned(self, task: Task) -> None:
        self._finish(task.number, TrialState.PRUNED)

    def _finish(self, number: int, state: TrialState, value: float | None = None) -> None:
        """Once: where its runs were done before, several workers may find that out at the same time."""
        with self.locked():
            self.study.tell(number, value, state=state, skip_if_finished=True)

    def judge(self, task: Task) -> Callable[[int, float], bool]:
        """Called with a step and its metric: whether the trial is to be given up."""
        (frozen,) = [trial for trial in self._trials() if trial.number == task.number]
        trial = Trial(
            self.study, frozen._trial_id
        )  # Optuna has no other way back to a trial that was asked for

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            return trial.should_prune()

        return report

    def states(self) -> list[str]:
        """Of all trials but those that were dropped."""
        return [trial.state.name for trial in self._trials() if "dropped" not in trial.user_attrs]

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _suggest(self, trial: Trial) -> None:
        values = {key: suggest(trial, key, range) for key, range in self.spec.search.items()}
        runs = [Run(Point("", values), seed) for seed in self.spec.seeds]
        trial.set_user_attr("runs", [run.as_json() for run in runs])

    def _drop(self, trial: Trial) -> None:
        trial.set_user_attr("dropped", True)
        self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _task(trial: FrozenTrial | Trial) -> Task:
    return Task(trial.number, tuple(Run.from_json(run) for run in trial.user_attrs["runs"]))


def suggest(trial: Trial, key: str, range: Range) -> Any:
    if range.choices:
        return trial.suggest_categorical(key, list(range.choices))
    if isinstance(range.low, int) and isinstance(range.high, int):
        return trial.suggest_int(key, range.low, range.high, log=range.log)
    return trial.suggest_float(key, range.low, range.high, log=range.log)


def open_storage(place: str) -> JournalStorage | RDBStorage:
    """A database's URL, or else the path of a journal.

    Raises:
        UserError: where it cannot be reached.
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


def make_sampler(spec: Spec, number: int) -> optuna.samplers.BaseSampler:
    if spec.search and spec.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=number, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=number)


def make_pruner(name: str) -> optuna.pruners.BasePruner:
    makers: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
        "": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "halving": optuna.pruners.SuccessiveHalvingPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }
    return makers[name]()
