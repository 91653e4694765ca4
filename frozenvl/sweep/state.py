"""What has become of a sweep's runs, read from its folder; no Optuna."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from frozenvl.evaluation.score_file import LOSSES, read_score, score_files
from frozenvl.sweep.grid import Run
from frozenvl.sweep.lease import alive, last_attempt
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, read_lines, write_atomically, write_once

RECORD = "sweep.yaml"
"""In a sweep's folder: the specification as it was last run."""
State = Literal["waiting", "running", "done", "failed", "pruned", "interrupted"]


@dataclass(frozen=True)
class RunState:
    """A run of a sweep as its folder shows it."""

    run: Run
    folder: Path
    state: State
    host: str
    step: int
    """The last optimiser step that its history tells of."""
    value: float | None
    """The metric, of a run that is done."""
    cost: dict[str, Any]
    seconds: float
    """That the last attempt has taken, as far as it has shown."""

    @property
    def doing(self) -> str:
        """The state, of a run that is under way with what it does and where."""
        if self.state != "running":
            return self.state
        return f"{'scoring' if self.cost else 'fitting'} on {self.host}"


def is_sweep(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def read_record(folder: Path) -> dict[str, Any]:
    """What the sweep's folder keeps of its specification.

    Raises:
        UserError: where that is damaged.
    """
    try:
        return dict(yaml.safe_load((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / RECORD}: not a sweep's record ({' '.join(str(error).split())[:200]})"
        ) from None


def identity_of(folder: Path) -> str:
    """Tells a sweep's folder from all others in a database; made once, by whichever worker is first."""
    write_once(folder / "id", uuid.uuid4().hex[:12])
    return (folder / "id").read_text()


def state_of(folder: Path) -> tuple[State, str]:
    """How it stands with a run, and on which machine."""
    number, last = last_attempt(folder)
    host = str(last.get("host", "")).partition(" ")[0]
    if not number:
        return "waiting", ""
    ended = last.get("ended")
    if ended == "done":  # and its scores were not thrown away since
        return ("done" if score_files(folder) else "waiting"), host
    if ended:
        return ("interrupted" if ended == "killed" else ended), host
    return ("running" if alive(folder, number, last) else "interrupted"), host


def is_done(folder: Path) -> bool:
    return state_of(folder)[0] == "done"


def read_runs(folder: Path, metric: str, settled: dict[Path, RunState] | None = None) -> list[RunState]:
    """All runs that were begun, in the order of their names.

    Args:
        settled: those that are done are kept here, and not read again.
    """
    known = {} if settled is None else settled
    states = [
        known.get(path.parent) or _read(path.parent, metric) for path in sorted(folder.glob("*/trial.json"))
    ]
    known.update((state.folder, state) for state in states if state.state == "done")
    return states


def _read(folder: Path, metric: str) -> RunState:
    state, host = state_of(folder)
    number, _ = last_attempt(folder)
    begun = (folder / "trial.json").stat().st_mtime
    seen = (folder / "attempts" / f"{number}.json").stat().st_mtime if number else begun
    step = max((row.get("step", 0) for row in read_lines(folder / "history.jsonl")), default=0)
    value = read_metric(folder, metric) if state == "done" else None
    file = folder / "cost.json"
    cost = read_json(file) if file.is_file() else {}
    run = Run.from_json(read_json(folder / "trial.json"))
    return RunState(run, folder, state, host, step, value, cost, max(0.0, seen - begun))


def note_run(folder: Path, run: Run) -> None:
    """Says in a run's folder which point it is."""
    write_atomically(folder / "trial.json", json.dumps(run.as_json(), indent=1) + "\n")


def place_of(metric: str) -> tuple[str, str]:
    """Evaluation and score: the evaluation of the losses keeps `val/…`."""
    evaluation, _, score = metric.partition("/")
    return (LOSSES if evaluation == "val" else evaluation), score


def read_metric(folder: Path, metric: str) -> float:
    """A score of a run that was validated.

    Raises:
        UserError: where it has no such score; the line says which it has.
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
