"""Tables of scores, one per benchmark. Rows are settings; columns are runs by view, baselines, the paper's numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from frozenvl.report.cell import PARTIAL, SUPERVISED, Cell, cell_of
from frozenvl.report.labels import place, shared, without_implied, words
from frozenvl.report.load import Result, Run, same_setting
from frozenvl.report.paper import published

VIEWS = ("seeing", "blind", "test-blind", "text-only")
"""Views in the order of columns, from all of the image to none of it."""
PAPER_NOTE = (
    "the paper's numbers are for the whole published benchmark and a language model of the size shown"
)
MAX_NOTES = 3
"""Largest number of the scores' own notes below a table."""
BASELINES = {"chance": "chance", "most_frequent": "most frequent answer"}
"""Titles of the baselines, in the order of columns."""


@dataclass(frozen=True)
class Column:
    """A run in a view, a baseline, or a system of the paper."""

    kind: Literal["run", "baseline", "paper"]
    name: str
    detail: str = ""
    """View of a run, or the size of a published system."""

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass(frozen=True)
class Row:
    """A score at one setting, in all columns."""

    setting: dict[str, Any]
    label: str
    """The setting in words, without the keys that all rows share."""
    score: str
    """Name of the score."""
    cells: dict[Column, Cell]


@dataclass(frozen=True)
class Table:
    """The scores of a benchmark."""

    benchmark: str
    main: str
    """Name of the benchmark's main score."""
    common: str
    """Part of the setting that all rows share, in words."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """Lines below the table."""

    @property
    def caption(self) -> str:
        """Main score, and what all rows share."""
        return f"{self.main}; {self.common}" if self.common else self.main

    @property
    def head(self) -> list[str]:
        """Titles of the leading text columns: "setting" and "score", each only if it is needed."""
        return [
            *(["setting"] if any(row.label for row in self.rows) else []),
            *(["score"] if self.rows_per_setting > 1 or not self.rows[0].label else []),
        ]

    @property
    def rows_per_setting(self) -> int:
        """Number of neighbouring rows of a setting: one per score, the main score first."""
        return len({row.score for row in self.rows})

    def start(self, row: Row) -> list[str]:
        """Returns a row's text cells, in the order of `head`; only the first row of a setting has its label."""
        texts = {"setting": row.label if row.score == self.main else "", "score": row.score}
        return [texts[title] for title in self.head]


def row_name(benchmark: str, score: str, label: str) -> str:
    """Returns the name of a row in a table of several benchmarks, such as "vqa_v2 SCORE, 4 shots"."""
    name = score if score == benchmark else f"{benchmark} {score}"
    return f"{name}, {label}" if label else name


def benchmark_tables(runs: Sequence[Run], every: bool = False) -> list[Table]:
    """Returns a table for each benchmark, in the order of its first score.

    `every` includes the scores whose `Metric.shown` is false.
    """
    results = [result for run in runs for result in run.results]
    names = dict.fromkeys(result.benchmark for result in results)
    return [_table([result for result in results if result.benchmark == name], every) for name in names]


def by_setting(results: Sequence[Result]) -> list[list[Result]]:
    """Groups results by benchmark and setting: those of a group differ only in run, view and seed."""
    groups: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in results:
        groups[same_setting(result)].append(result)
    return list(groups.values())


def view_place(view: str) -> int:
    """Returns the place of a view in the order of columns; unknown views come last."""
    return (*VIEWS, view).index(view)


def _table(results: list[Result], every: bool) -> Table:
    main = results[0].main
    groups = by_setting(results)
    settings = without_implied([group[0].setting for group in groups])
    common = shared(settings)
    runs = [result.run for result in results]
    in_order = sorted(results, key=lambda x: (runs.index(x.run), view_place(x.view), x.view))
    plain = all(result.view == "seeing" for result in results)
    run_columns = {(x.run, x.view): Column("run", x.run, "" if plain else x.view) for x in in_order}
    shown = [score for result in results for score in (result.scores if every else result.shown)]
    rows = []
    for setting, group in sorted(zip(settings, groups, strict=True), key=lambda pair: place(pair[0])):
        for score in dict.fromkeys([main, *shown]):
            cells = {
                column: cell_of([result for result in group if (result.run, result.view) == key], score)
                for key, column in run_columns.items()
            }
            if score == main:
                cells |= _references(group)
            rows.append(Row(setting, words(setting, common), score, cells))
    unsorted = dict.fromkeys(column for row in rows for column in row.cells)
    columns = sorted(unsorted, key=lambda column: (column.kind != "run", column.kind))
    notes = _notes(results, rows)
    return Table(results[0].benchmark, main, words(common), tuple(columns), tuple(rows), tuple(notes))


def _references(group: Sequence[Result]) -> dict[Column, Cell]:
    """Returns the reference values of a setting: the first run's baselines, then the paper's numbers."""
    first = group[0]
    digits = first.metric(first.main).digits
    baselines = {key: value for result in reversed(group) for key, value in result.baselines.items()}
    cells = {
        Column("baseline", BASELINES.get(key, key.replace("_", " "))): Cell(digits, baselines[key])
        for key in sorted(baselines, key=lambda key: (*BASELINES, key).index(key))
    }
    if "chosen_by" not in first.provenance:  # the paper's numbers are for generated answers
        for (system, size), value in published(first.benchmark, first.protocol, first.setting).items():
            cells[Column("paper", system, f"paper, {size}")] = Cell(mean=value)
    return cells


def marks_in(results: Sequence[Result], whole: str = "") -> Iterator[str]:
    """Yields the legend of the marks that the results have.

    `whole` names the columns that are computed over all queries even if results are partial.
    """
    if any(result.partial for result in results):
        yield f"{PARTIAL} scored on a part of the queries" + (f"; {whole}: on all queries" if whole else "")
    for note in dict.fromkeys(result.supervised_encoder for result in results if result.supervised_encoder):
        yield f"{SUPERVISED} the encoder was trained with labels on the benchmark's classes: {note}"


def _notes(results: Sequence[Result], rows: Sequence[Row]) -> Iterator[str]:
    cells = [(column, cell) for row in rows for column, cell in row.cells.items()]
    baselines = dict.fromkeys(column.name for column, _ in cells if column.kind == "baseline")
    yield from marks_in(results, " and ".join(baselines))
    counts = sorted({result.samples for result in results})
    queries = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    yield f"{queries} queries per score; 95 % intervals over images"
    if any(cell.draws > 1 for _, cell in cells):
        yield "± standard deviation over seeds of the demonstrations; the interval is the mean of the seeds' intervals"
    if unreadable := [result for result in results if result.unreadable]:
        worst = max(unreadable, key=lambda result: result.unreadable)
        yield (
            f"unreadable images, counted as wrong, in {len(unreadable)} of {len(results)} scores "
            f"(most: {worst.unreadable}, {worst.run} {worst.name})"
        )
    yield from _notes_of_scores(results)
    for key in dict.fromkeys(key for result in results for key in result.baselines):
        values = [{r.baselines[key] for r in group if key in r.baselines} for group in by_setting(results)]
        if any(len(different) > 1 for different in values):
            yield f"{BASELINES.get(key, key)} differs among the runs; the first run's is shown"
    if any(column.kind == "paper" for column, _ in cells):
        yield PAPER_NOTE


def _notes_of_scores(results: Sequence[Result]) -> Iterator[str]:
    """Yields the notes that evaluations recorded, behind the names of their evaluations unless all have them."""
    noted: dict[str, list[str]] = defaultdict(list)
    for result in results:
        for note in result.notes:
            noted[note].append(f"{result.run} {result.name}")
    for note, names in list(noted.items())[:MAX_NOTES]:
        yield note if len(names) == len(results) else f"{', '.join(names)}: {note}"
    if len(noted) > MAX_NOTES:
        yield f"{len(noted) - MAX_NOTES} more: see `notes` in the score.json files"
