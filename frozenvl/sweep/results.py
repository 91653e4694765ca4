"""Results of a sweep: points with the runs of their seeds, and their scores and costs as a table and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from frozenvl.report.cell import Cell, cell_of, over_seeds
from frozenvl.report.cost_table import COSTS
from frozenvl.report.formats import as_csv
from frozenvl.report.load import Result, Run
from frozenvl.report.load import read_runs as read_scored
from frozenvl.report.tables import Column, Row, Table, marks_in
from frozenvl.sweep.grid import Point
from frozenvl.sweep.state import RunState, place_of, read_record, read_runs
from frozenvl.util.errors import UserError

SHOWN_COSTS = ("trained_parameters", "pairs_per_second", "minutes")
"""Keys of cost.json that the table shows."""


@dataclass(frozen=True)
class PointResult:
    """A point with its runs that are done."""

    point: Point
    runs: dict[int, Run]
    """Seed → run."""

    def cells(self, metric: str) -> list[Cell]:
        """Returns a score, named EVALUATION/SCORE, of each run that has it."""
        evaluation, score = place_of(metric)
        named = [[x for x in run.results if x.name == evaluation] for run in self.runs.values()]
        cells = [cell_of(results, score) for results in named]
        return [cell for cell in cells if cell.mean is not None]

    def mean(self, metric: str) -> Cell:
        """Returns the mean over seeds with Student's interval; for one run, the score with its own interval."""
        return over_seeds(self.cells(metric))

    def cost(self, key: str) -> float | None:
        """Returns the mean over seeds of a key of cost.json; None if no run has it."""
        values = [run.cost[key] for run in self.runs.values() if key in run.cost]
        return fmean(values) if values else None


@dataclass(frozen=True)
class SweepResults:
    """Results of a sweep so far."""

    spec: Mapping[str, Any]
    """Specification, as the record in the sweep's folder has it."""
    points: Sequence[PointResult]
    """Points with results, in the order of the specification."""
    states: Sequence[RunState]
    """States of all runs that were started."""

    @property
    def metric(self) -> str:
        """Metric of the sweep, EVALUATION/SCORE."""
        return str(self.spec["metric"])

    @property
    def arms(self) -> list[str]:
        """Names of the arms that have results."""
        return list(dict.fromkeys(entry.point.arm for entry in self.points))

    @property
    def keys(self) -> list[str]:
        """Dotted keys that vary between points."""
        return list(dict.fromkeys(key for entry in self.points for key in entry.point.values))

    @property
    def results(self) -> list[Result]:
        """Scores of all runs that are done."""
        return [result for entry in self.points for run in entry.runs.values() for result in run.results]

    @cached_property
    def scores(self) -> list[str]:
        """Names of the table's scores, EVALUATION/SCORE: the metric, the others of its evaluation, all others."""
        evaluation, score = place_of(self.metric)
        shown = [
            f"{result.name}/{score}"
            for result in sorted(self.results, key=lambda result: result.name != evaluation)
            for score in dict.fromkeys([result.main, *result.shown])
        ]
        return list(dict.fromkeys([f"{evaluation}/{score}", *shown]))

    @property
    def table(self) -> Table:
        """Table with a row for each point: number of seeds, scores, costs. A search's best point comes first."""
        names = [place_of(metric)[1] for metric in self.scores]
        scores = [
            metric if names.count(name) > 1 else name for metric, name in zip(self.scores, names, strict=True)
        ]
        titles = ["seeds", *scores, *(COSTS[key][0] for key in SHOWN_COSTS)]
        columns = tuple(Column("run", title) for title in titles)
        points = list(self.points)
        if self.spec["search"]:
            falling = self.spec["direction"] == "maximize"
            points.sort(key=lambda entry: entry.mean(self.metric).mean or 0, reverse=falling)
        rows = []
        for entry in points:
            # The number of seeds has a column of its own.
            means = [replace(entry.mean(metric), deviation=None) for metric in self.scores]
            spent = [Cell(COSTS[key][1], entry.cost(key)) for key in SHOWN_COSTS]
            cells = [Cell(0, len(entry.runs)), *means, *spent]
            label = ": ".join(part for part in (entry.point.arm, entry.point.label) if part)
            by_column = dict(zip(columns, cells, strict=True))
            rows.append(Row(dict(entry.point.values), label, self.metric, by_column))
        return Table(self.spec["name"], self.metric, "", columns, tuple(rows), tuple(self._notes()))

    def _notes(self) -> Iterator[str]:
        yield from marks_in(self.results)
        if any(len(entry.runs) > 1 for entry in self.points):
            yield "means over seeds with their 95 % intervals (Student's t)"
        if any(len(entry.runs) == 1 for entry in self.points):
            yield "points with one seed: the interval is over images, not over seeds"
        counts = Counter(state.state for state in self.states)
        rest = ", ".join(f"{number} {state}" for state, number in counts.items() if state != "done")
        points = self.spec["trials"] or sum(len(arm["points"]) for arm in self.spec["arms"])
        runs = points * len(self.spec["seeds"])
        if counts["done"] < runs or rest:
            yield f"{counts['done']} of {runs} runs done" + (f"; {rest}" if rest else "")


def read_results(folder: Path) -> SweepResults:
    """Reads the results in a sweep's folder.

    Raises:
        UserError: if no run is done yet.
    """
    spec: dict[str, Any] = read_record(folder)["spec"]
    states = read_runs(folder, spec["metric"])
    done = sorted((state for state in states if state.state == "done"), key=lambda state: state.run.seed)
    if not done:
        counts = ", ".join(f"{state.run.name} {state.state}" for state in states[:6]) or "none was begun"
        raise UserError(f"{folder}: no run of this sweep is done yet ({counts})")
    listed = [Point(arm["name"], point["values"]) for arm in spec["arms"] for point in arm["points"]]
    points = {point.key: PointResult(point, {}) for point in listed}
    for state, run in zip(done, read_scored([state.folder for state in done]), strict=True):
        entry = points.setdefault(state.run.point.key, PointResult(state.run.point, {}))
        entry.runs[state.run.seed] = run
    return SweepResults(spec, [entry for entry in points.values() if entry.runs], states)


def points_csv(results: SweepResults) -> str:
    """Returns a CSV with a row for each point: mean scores with their intervals, and costs."""
    rows = []
    for entry in results.points:
        row = point_columns(results, entry) | {"seeds": len(entry.runs)}
        for name in results.scores:
            cell = entry.mean(name)
            row |= {name: cell.mean, f"{name}.low": cell.low, f"{name}.high": cell.high}
        rows.append(row | {f"cost.{key}": entry.cost(key) for key in SHOWN_COSTS})
    return as_csv(rows)


def scores_csv(results: SweepResults) -> str:
    """Returns a CSV with a row for each run: all scores and costs."""
    names = dict.fromkeys(f"{result.name}/{score}" for result in results.results for score in result.scores)
    rows = []
    for entry in results.points:
        for seed, run in entry.runs.items():
            row = {"run": run.label} | point_columns(results, entry) | {"seed": seed} | dict.fromkeys(names)
            for result in run.results:
                row |= {f"{result.name}/{score}": value for score, value in result.scores.items()}
            rows.append(row | {f"cost.{key}": run.cost.get(key) for key in COSTS})
    return as_csv(rows)


def point_columns(results: SweepResults, found: PointResult) -> dict[str, Any]:
    """Returns the CSV columns that say which point a row is of: its arm and its values."""
    return {"arm": found.point.arm} | {key: found.point.values.get(key) for key in results.keys}
