"""State of a sweep's runs, read from their folders without Optuna."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from frozenvl.evaluation.score_file import LOSSES, read_score, score_files
from frozenvl.sweep.grid import SweepRun
from frozenvl.sweep.lease import alive, attempt_file, last_attempt
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, read_lines, write_atomically, write_once

RECORD = "sweep.yaml"
"""File in a sweep's folder that holds the specification as it was last run."""
State = Literal["waiting", "running", "done", "failed", "pruned", "interrupted"]


@dataclass(frozen=True)
class RunState:
    """State of a run, read from its folder."""

    run: SweepRun
    folder: Path
    state: State
    host: str
    """Machine of the last attempt."""
    step: int
    """Last optimiser step in history.jsonl; 0 before the first."""
    value: float | None
    """Metric of the sweep; None unless the run is done."""
    cost: dict[str, Any]
    """Content of cost.json; empty until the fit is complete."""
    seconds: float
    """Seconds from the beginning of the run's last attempt to its last heartbeat."""

    @property
    def doing(self) -> str:
        """State in words; for a running run "fitting on HOST" or "scoring on HOST"."""
        if self.state != "running":
            return self.state
        return f"{'scoring' if self.cost else 'fitting'} on {self.host}"


def is_sweep(folder: Path) -> bool:
    """Returns whether a folder has the record of a sweep."""
    return (folder / RECORD).is_file()


def read_record(folder: Path) -> dict[str, Any]:
    """Reads the record in a sweep's folder.

    Raises:
        UserError: if it is missing or damaged.
    """
    try:
        return dict(yaml.safe_load((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / RECORD}: not a sweep's record ({reason})") from None


def identity_of(folder: Path) -> str:
    """Returns the random id of a sweep's folder, which names its study in a database; makes it on the first call."""
    write_once(folder / "id", uuid.uuid4().hex[:12])
    return (folder / "id").read_text()


def state_of(folder: Path) -> tuple[State, str]:
    """Returns the state of a run and the machine of its last attempt."""
    number, last = last_attempt(folder)
    host = str(last.get("host", "")).partition(" ")[0]
    ended = last.get("ended")
    if not number or (ended == "done" and not score_files(folder)):
        return "waiting", host  # a run whose scores were removed is waiting, too
    if ended:
        return ("interrupted" if ended == "killed" else ended), host
    return ("running" if alive(folder, number, last) else "interrupted"), host


def is_done(folder: Path) -> bool:
    """Returns whether a run is complete and has its scores."""
    return state_of(folder)[0] == "done"


def read_runs(folder: Path, metric: str, settled: dict[Path, RunState] | None = None) -> list[RunState]:
    """Reads the states of all runs that were started, sorted by name.

    Args:
        folder: folder of the sweep.
        metric: metric of the sweep, EVALUATION/SCORE.
        settled: cache of runs that are done, filled here: folder → state.
    """
    cache = {} if settled is None else settled
    folders = sorted(path.parent for path in folder.glob("*/trial.json"))
    states = [cache.get(run_folder) or _read_run(run_folder, metric) for run_folder in folders]
    cache.update((state.folder, state) for state in states if state.state == "done")
    return states


def _read_run(folder: Path, metric: str) -> RunState:
    state, host = state_of(folder)
    number, _ = last_attempt(folder)
    trial_file = folder / "trial.json"
    last_touched = attempt_file(folder, number) if number else trial_file
    cost = folder / "cost.json"
    return RunState(
        run=SweepRun.from_json(read_json(trial_file)),
        folder=folder,
        state=state,
        host=host,
        step=max((row.get("step", 0) for row in read_lines(folder / "history.jsonl")), default=0),
        value=read_metric(folder, metric) if state == "done" else None,
        cost=read_json(cost) if cost.is_file() else {},
        seconds=max(0.0, last_touched.stat().st_mtime - trial_file.stat().st_mtime),
    )


def note_run(folder: Path, run: SweepRun) -> None:
    """Writes the point and the seed of a run to its folder."""
    write_atomically(folder / "trial.json", json.dumps(run.as_json(), indent=1) + "\n")


def place_of(metric: str) -> tuple[str, str]:
    """Splits a metric into the names of evaluation and score. `val/…` is in the evaluation of the losses."""
    evaluation, _, score = metric.partition("/")
    return (LOSSES if evaluation == "val" else evaluation), score


def read_metric(folder: Path, metric: str) -> float:
    """Reads a score of a run that is done.

    Raises:
        UserError: if it has no such score.
    """
    evaluation, score = place_of(metric)
    scores = dict(_scores(folder))
    if (evaluation, score) not in scores:
        names = ", ".join("/".join(place) for place in scores) or "no scores at all"
        raise UserError(f"{folder}: the metric {metric} is not among its scores; there are {names}")
    return scores[evaluation, score]


def _scores(folder: Path) -> Iterator[tuple[tuple[str, str], float]]:
    for file in score_files(folder):
        for score, value in read_score(file).scores.items():
            yield (file.parent.name, score), value
