"""What a sweep found: points with the runs of their seeds, and the scores and costs beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from frozenvl.report.cell import Cell, cell_of
from frozenvl.report.cost_table import COSTS
from frozenvl.report.load import Run as Scored
from frozenvl.report.load import read_runs as read_scored
from frozenvl.report.seeds import over_seeds
from frozenvl.report.tables import Column, Row, Table, marks_in
from frozenvl.sweep.grid import Point
from frozenvl.sweep.state import RunState, place_of, read_record, read_runs
from frozenvl.util.errors import UserError

TOOK = ("trained_parameters", "pairs_per_second", "minutes")
"""What the table tells of the fits."""


@dataclass(frozen=True)
class Found:
    """A point, with those of its runs that are done."""

    point: Point
    seeds: tuple[int, ...]
    runs: tuple[Scored, ...]

    def cells(self, metric: str) -> list[Cell]:
        """A score of each run."""
        evaluation, score = place_of(metric)
        return [
            cell_of([result for result in run.results if result.name == evaluation], score)
            for run in self.runs
        ]

    def values(self, metric: str) -> list[float]:
        return [cell.mean for cell in self.cells(metric) if cell.mean is not None]

    def mean(self, metric: str) -> Cell:
        """Over seeds, with Student's interval; of one run, with that of its own score."""
        return over_seeds(self.cells(metric))

    def cost(self, key: str) -> Cell:
        return over_seeds([Cell(COSTS[key][1], run.cost.get(key)) for run in self.runs])


@dataclass(frozen=True)
class Results:
    """A sweep as far as it was run."""

    name: str
    about: str
    metric: str
    minimize: bool
    searched: bool
    found: tuple[Found, ...]
    states: tuple[RunState, ...]
    """Of all runs that were begun."""
    wanted: int
    """Runs that the specification asks for."""

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(found.point.arm for found in self.found))

    @cached_property
    def scores(self) -> list[str]:
        """EVALUATION/SCORE of what the table tells: the metric, then those of the same and of other evaluations."""
        results = [result for found in self.found for run in found.runs for result in run.results]
        own = place_of(self.metric)[0]
        results.sort(key=lambda result: result.name != own)
        known = [
            f"{result.name}/{score}"
            for result in results
            for score in dict.fromkeys([result.main, *result.shown])
        ]
        return list(dict.fromkeys(["/".join(place_of(self.metric)), *known]))

    @property
    def table(self) -> Table:
        """A row a point: how many seeds, its scores, what it took."""
        alone = {
            score: sum(name.endswith(f"/{score}") for name in self.scores) == 1
            for score in map(last, self.scores)
        }
        scores = {name: Column("run", last(name) if alone[last(name)] else name) for name in self.scores}
        costs = {key: Column("run", COSTS[key][0]) for key in TOOK}
        seeds = Column("run", "seeds")
        rows = []
        for found in self.ranked:
            cells = {seeds: Cell(0, len(found.runs))}
            cells |= {column: narrow(found.mean(name)) for name, column in scores.items()}
            cells |= {column: Cell(COSTS[key][1], found.cost(key).mean) for key, column in costs.items()}
            rows.append(Row(dict(found.point.values), label_of(found.point), self.metric, cells))
        columns = (seeds, *scores.values(), *costs.values())
        return Table(self.name, self.metric, "", columns, tuple(rows), tuple(self._notes()))

    @property
    def ranked(self) -> Sequence[Found]:
        """As the specification has them; of a search, the best first."""
        if not self.searched:
            return self.found
        return sorted(
            self.found, key=lambda found: (found.mean(self.metric).mean or 0) * (1 if self.minimize else -1)
        )

    def _notes(self) -> Iterator[str]:
        yield from marks_in(result for found in self.found for run in found.runs for result in run.results)
        if any(len(found.runs) > 1 for found in self.found):
            yield "means over seeds, with the interval of 95 % of that mean by Student's t"
        if any(len(found.runs) == 1 for found in self.found):
            yield "of one seed: the interval is that over its images, and says nothing of other seeds"
        counts: dict[str, int] = {}
        for state in self.states:
            counts[state.state] = counts.get(state.state, 0) + 1
        rest = ", ".join(f"{number} {state}" for state, number in counts.items() if state != "done")
        if counts.get("done", 0) < self.wanted or rest:
            yield f"{counts.get('done', 0)} of {self.wanted} runs done" + (f"; {rest}" if rest else "")


def read_results(folder: Path) -> Results:
    """A sweep's results from its folder.

    Raises:
        UserError: where nothing of it is done yet.
    """
    record = read_record(folder)
    spec: dict[str, Any] = record["spec"]
    states = read_runs(folder, spec["metric"])
    done = [state for state in states if state.state == "done"]
    if not done:
        counts = ", ".join(f"{state.run.name} {state.state}" for state in states[:6]) or "none was begun"
        raise UserError(f"{folder}: no run of this sweep is done yet ({counts})")
    folders = [state.folder for state in done]
    scored = dict(zip(folders, read_scored(folders), strict=True))
    order = [Point(arm["name"], point["values"]).key for arm in spec["arms"] for point in arm["points"]]
    points = {state.run.point.key: state.run.point for state in done}
    found = []
    for key in sorted(points, key=lambda key: order.index(key) if key in order else len(order)):
        own = sorted(
            (state for state in done if state.run.point.key == key), key=lambda state: state.run.seed
        )
        seeds, runs = (state.run.seed for state in own), (scored[state.folder] for state in own)
        found.append(Found(points[key], tuple(seeds), tuple(runs)))
    return Results(
        name=spec["name"],
        about=spec["about"],
        metric=spec["metric"],
        minimize=spec["direction"] == "minimize",
        searched=bool(spec["search"]),
        found=tuple(found),
        states=tuple(states),
        wanted=(spec["trials"] or len(order)) * len(spec["seeds"]),
    )


def label_of(point: Point) -> str:
    """A point in words, below its arm."""
    return f"{point.arm}: {point.label}" if point.arm else point.label


def last(name: str) -> str:
    return name.partition("/")[2]


def narrow(cell: Cell) -> Cell:
    """Without the deviation: how many seeds there are, a column of its own says."""
    return Cell(cell.digits, cell.mean, cell.low, cell.high, marks=cell.marks)


def as_csv(results: Results) -> tuple[str, str]:
    """Points with means and intervals; and single runs with all their scores."""
    import csv
    import io

    keys = list(dict.fromkeys(key for found in results.found for key in found.point.values))
    points, runs = io.StringIO(), io.StringIO()
    writer = csv.writer(points, lineterminator="\n")
    numbers = [f"{name}{end}" for name in results.scores for end in ("", ".low", ".high")]
    writer.writerow(["arm", *keys, "seeds", *numbers, *(f"cost.{key}" for key in TOOK)])
    for found in results.found:
        cells = [found.mean(name) for name in results.scores]
        told = [end for cell in cells for end in (cell.mean, cell.low, cell.high)]
        costs = [found.cost(key).mean for key in TOOK]
        writer.writerow([*_start(found.point, keys), len(found.runs), *told, *costs])
    names = list(
        dict.fromkeys(
            f"{result.name}/{score}"
            for found in results.found
            for run in found.runs
            for result in run.results
            for score in result.scores
        )
    )
    writer = csv.writer(runs, lineterminator="\n")
    writer.writerow(["run", "arm", *keys, "seed", *names, *(f"cost.{key}" for key in COSTS)])
    for found in results.found:
        for seed, run in zip(found.seeds, found.runs, strict=True):
            scores = {
                f"{result.name}/{score}": value
                for result in run.results
                for score, value in result.scores.items()
            }
            told = [scores.get(name) for name in names]
            costs = [run.cost.get(key) for key in COSTS]
            writer.writerow([run.label, *_start(found.point, keys), seed, *told, *costs])
    return points.getvalue(), runs.getvalue()


def _start(point: Point, keys: Sequence[str]) -> list[Any]:
    return [point.arm, *(point.values.get(key) for key in keys)]
