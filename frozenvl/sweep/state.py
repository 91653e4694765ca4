"""The state of a sweep's runs, read from their folders; without Optuna."""

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
"""In a sweep's folder: the specification as it was last run."""
State = Literal["waiting", "running", "done", "failed", "pruned", "interrupted"]


@dataclass(frozen=True)
class RunState:
    """A run of a sweep as its folder shows it."""

    run: SweepRun
    folder: Path
    state: State
    host: str
    step: int
    """The last optimiser step in its history."""
    value: float | None
    """The metric of a run that is done."""
    cost: dict[str, Any]
    seconds: float
    """From the beginning of the last attempt to its last sign of life."""

    @property
    def doing(self) -> str:
        """The state; of a running run also what it does, and where."""
        if self.state != "running":
            return self.state
        return f"{'scoring' if self.cost else 'fitting'} on {self.host}"


def is_sweep(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a sweep in its folder.

    Raises:
        UserError: the record is damaged.
    """
    try:
        return dict(yaml.safe_load((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / RECORD}: not a sweep's record ({reason})") from None


def identity_of(folder: Path) -> str:
    """A random id of a sweep's folder, by which a database tells it from all others; the first worker makes it."""
    write_once(folder / "id", uuid.uuid4().hex[:12])
    return (folder / "id").read_text()


def state_of(folder: Path) -> tuple[State, str]:
    """The state of a run, and the machine of its last attempt."""
    number, last = last_attempt(folder)
    host = str(last.get("host", "")).partition(" ")[0]
    ended = last.get("ended")
    if not number or (ended == "done" and not score_files(folder)):
        return "waiting", host  # its scores may have been thrown away
    if ended:
        return ("interrupted" if ended == "killed" else ended), host
    return ("running" if alive(folder, number, last) else "interrupted"), host


def is_done(folder: Path) -> bool:
    return state_of(folder)[0] == "done"


def read_runs(folder: Path, metric: str, settled: dict[Path, RunState] | None = None) -> list[RunState]:
    """The states of all runs that were begun, in the order of their names; `settled` keeps those that are done."""
    known = {} if settled is None else settled
    folders = sorted(path.parent for path in folder.glob("*/trial.json"))
    states = [known.get(run_folder) or _read_run(run_folder, metric) for run_folder in folders]
    known.update((state.folder, state) for state in states if state.state == "done")
    return states


def _read_run(folder: Path, metric: str) -> RunState:
    state, host = state_of(folder)
    number, _ = last_attempt(folder)
    begun = folder / "trial.json"
    seen = attempt_file(folder, number) if number else begun
    cost = folder / "cost.json"
    return RunState(
        run=SweepRun.from_json(read_json(begun)),
        folder=folder,
        state=state,
        host=host,
        step=max((row.get("step", 0) for row in read_lines(folder / "history.jsonl")), default=0),
        value=read_metric(folder, metric) if state == "done" else None,
        cost=read_json(cost) if cost.is_file() else {},
        seconds=max(0.0, seen.stat().st_mtime - begun.stat().st_mtime),
    )


def note_run(folder: Path, run: SweepRun) -> None:
    """Records in a run's folder which point and seed it is."""
    write_atomically(folder / "trial.json", json.dumps(run.as_json(), indent=1) + "\n")


def place_of(metric: str) -> tuple[str, str]:
    """Evaluation and score of a metric: the evaluation of the losses keeps `val/…`."""
    evaluation, _, score = metric.partition("/")
    return (LOSSES if evaluation == "val" else evaluation), score


def read_metric(folder: Path, metric: str) -> float:
    """A score of a run that was validated.

    Raises:
        UserError: it has no such score; the line names those that it has.
    """
    evaluation, score = place_of(metric)
    scores = dict(_scores(folder))
    if (evaluation, score) not in scores:
        known = ", ".join("/".join(place) for place in scores) or "no scores at all"
        raise UserError(f"{folder}: the metric {metric} is not among its scores; there are {known}")
    return scores[evaluation, score]


def _scores(folder: Path) -> Iterator[tuple[tuple[str, str], float]]:
    for file in score_files(folder):
        for score, value in read_score(file).scores.items():
            yield (file.parent.name, score), value
