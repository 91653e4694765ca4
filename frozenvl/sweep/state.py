"""State of a sweep's runs, read from their folders without Optuna."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from frozenvl.evaluation.score_file import LOSSES, read_score, score_files
from frozenvl.sweep.grid import SweepRun
from frozenvl.sweep.lease import last_attempt
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, read_lines

RECORD = "sweep.yaml"
"""File in a sweep's folder that holds the specification as it was last run."""
State = Literal["waiting", "running", "done", "failed", "pruned", "interrupted"]


@dataclass(frozen=True)
class RunState:
    """State of a run, read from its folder."""

    run: SweepRun
    folder: Path
    state: State
    doing: str
    """State in words; for a running run "fitting on HOST" or "scoring on HOST"."""
    step: int
    """Last optimiser step in history.jsonl; 0 before the first."""
    value: float | None
    """Metric of the sweep; None unless the run is done."""
    cost: dict[str, Any]
    """Content of cost.json; empty until the fit is complete."""
    seconds: float
    """Seconds from the beginning of the run's last attempt to its last heartbeat."""


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


def state_of(folder: Path) -> tuple[State, str]:
    """Returns the state of a run and the machine of its last attempt."""
    last = last_attempt(folder)
    host, ended = str(last.content.get("host", "")).partition(" ")[0], last.content.get("ended")
    if not last.number or (ended == "done" and not score_files(folder)):
        return "waiting", host  # a run whose scores were removed is waiting, too
    if ended in ("done", "failed", "pruned"):
        return ended, host
    return ("running" if last.alive() else "interrupted"), host


def is_done(folder: Path) -> bool:
    """Returns whether a run is complete and has its scores."""
    return state_of(folder)[0] == "done"


def read_runs(folder: Path, metric: str, settled: dict[Path, RunState] | None = None) -> list[RunState]:
    """Reads the states of all runs of a sweep that were started, sorted by name.

    Runs that are done are not read again if they are in `settled`, which this function fills.
    """
    settled = {} if settled is None else settled
    states = []
    for trial_file in sorted(folder.glob("*/trial.json")):
        state = settled.get(trial_file.parent) or _read_run(trial_file.parent, metric)
        if state.state == "done":
            settled[state.folder] = state
        states.append(state)
    return states


def _read_run(folder: Path, metric: str) -> RunState:
    state, host = state_of(folder)
    begun, beat, cost = folder / "trial.json", last_attempt(folder).path, folder / "cost.json"
    last_touched = beat if beat.exists() else begun
    return RunState(
        run=SweepRun.from_json(read_json(begun)),
        folder=folder,
        state=state,
        doing=f"{'scoring' if cost.is_file() else 'fitting'} on {host}" if state == "running" else state,
        step=max((row.get("step", 0) for row in read_lines(folder / "history.jsonl")), default=0),
        value=read_metric(folder, metric) if state == "done" else None,
        cost=read_json(cost) if cost.is_file() else {},
        seconds=max(0.0, last_touched.stat().st_mtime - begun.stat().st_mtime),
    )


def place_of(metric: str) -> tuple[str, str]:
    """Splits a metric into the names of evaluation and score. `val/…` is in the evaluation of the losses."""
    evaluation, _, score = metric.partition("/")
    return (LOSSES if evaluation == "val" else evaluation), score


def read_metric(folder: Path, metric: str) -> float:
    """Reads a score of a run that is done.

    Raises:
        UserError: if it has no such score.
    """
    scores: dict[str, float] = {}
    for file in score_files(folder):
        scores |= {f"{file.parent.name}/{score}": value for score, value in read_score(file).scores.items()}
    wanted = "/".join(place_of(metric))
    if wanted not in scores:
        names = ", ".join(scores) or "no scores at all"
        raise UserError(f"{folder}: the metric {metric} is not among its scores; there are {names}")
    return scores[wanted]
