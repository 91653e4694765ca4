"""One table a benchmark: settings down, runs and what they saw across, then baselines, then the paper's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from frozenvl.report.cell import PARTIAL, SUPERVISED, Cell, cell_of
from frozenvl.report.labels import place, shared, without_implied, words
from frozenvl.report.load import Result, Run, same_setting
from frozenvl.report.paper import published

VIEWS = ("seeing", "blind", "test-blind", "text-only")
PAPER_NOTE = (
    "the paper's numbers are of the whole published benchmark, with a language model of the size named"
)
BASELINES = {"chance": "chance", "most_frequent": "most frequent answer"}


@dataclass(frozen=True)
class Column:
    """A run in a view, a baseline, or a system of the paper."""

    kind: Literal["run", "baseline", "paper"]
    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})" if self.detail else self.name


@dataclass(frozen=True)
class Row:
    """A setting and a score."""

    setting: dict[str, Any]
    label: str
    score: str
    cells: dict[Column, Cell]


@dataclass(frozen=True)
class Table:
    """What is known of a benchmark."""

    benchmark: str
    main: str
    common: str
    """The part of the setting that is the same in all rows, in words."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def head(self) -> list[str]:
        """Titles of the columns of words."""
        return [
            *(["setting"] if any(row.label for row in self.rows) else []),
            *(["score"] if self.rows_per_setting > 1 or not self.rows[0].label else []),
        ]

    @property
    def rows_per_setting(self) -> int:
        """One for each score, the main one first."""
        return len({row.score for row in self.rows})

    def start(self, row: Row) -> list[str]:
        """A row's words, below `head`; a setting is told once."""
        known = {"setting": row.label if row.score == self.main else "", "score": row.score}
        return [known[title] for title in self.head]


def row_name(benchmark: str, row: Row) -> str:
    """The name of a row among those of other benchmarks: "vqa_v2 overall, 4 shots"."""
    name = row.score if row.score == benchmark else f"{benchmark} {row.score}"
    return f"{name}, {row.label}" if row.label else name


def benchmark_tables(runs: Sequence[Run], every: bool = False) -> list[Table]:
    """A table for each benchmark, in the order in which they are met.

    Args:
        every: with all scores, not only those that their metrics ask to be shown.
    """
    results = [result for run in runs for result in run.results]
    names = dict.fromkeys(result.benchmark for result in results)
    return [_table([result for result in results if result.benchmark == name], every) for name in names]


def by_setting(results: Sequence[Result]) -> list[list[Result]]:
    """Results that differ in run, view and seed only, together."""
    found: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        found.setdefault(same_setting(result), []).append(result)
    return list(found.values())


def run_columns(results: Sequence[Result]) -> dict[tuple[str, str], Column]:
    """(run, view) → column: runs as they were named, what they saw from all to nothing."""
    runs = list(dict.fromkeys(result.run for result in results))
    keys = {(result.run, result.view) for result in results}
    plain = all(view == "seeing" for _, view in keys)
    wanted = sorted(keys, key=lambda key: (runs.index(key[0]), (*VIEWS, key[1]).index(key[1]), key[1]))
    return {(run, view): Column("run", run, "" if plain else view) for run, view in wanted}


def _table(results: list[Result], every: bool) -> Table:
    main = results[0].main
    groups = by_setting(results)
    settings = without_implied([group[0].setting for group in groups])
    common = shared(settings)
    ours = run_columns(results)
    shown = [score for result in results for score in (result.scores if every else result.shown)]
    scores = dict.fromkeys([main, *shown])
    given: list[Column] = []
    rows = []
    for setting, group in sorted(zip(settings, groups, strict=True), key=lambda pair: place(pair[0])):
        beside = dict(_beside(group))
        given += [column for column in beside if column not in given]
        for score in scores:
            cells = {
                column: cell_of([result for result in group if (result.run, result.view) == key], score)
                for key, column in ours.items()
            }
            if score == main:
                cells |= beside
            rows.append(Row(setting, words(setting, common), score, cells))
    return Table(
        benchmark=results[0].benchmark,
        main=main,
        common=words(common),
        columns=(*ours.values(), *sorted(given, key=lambda column: column.kind)),  # baseline, then paper
        rows=tuple(rows),
        notes=tuple(_notes(results, given)),
    )


def _beside(group: Sequence[Result]) -> Iterator[tuple[Column, Cell]]:
    """Numbers of a setting beside our runs': the first run's baselines, the paper's."""
    first = group[0]
    digits = first.metric(first.main).digits
    known = {key: value for result in reversed(group) for key, value in result.baselines.items()}
    for key in sorted(known, key=lambda key: (*BASELINES, key).index(key)):
        yield Column("baseline", BASELINES.get(key, key.replace("_", " "))), Cell(digits, known[key])
    if "chosen_by" in first.provenance:  # the paper's answers are generated
        return
    for (system, size), value in published(first.benchmark, first.protocol, first.setting).items():
        yield Column("paper", system, f"paper, {size}"), Cell(mean=value)


def marks_in(results: Iterable[Result], whole: str = "") -> Iterator[str]:
    """What the marks beside some scores mean; `whole` is what stands beside them and is of all queries."""
    results = list(results)
    if any(result.partial for result in results):
        yield f"{PARTIAL} a part of the queries only" + (f"; {whole}: of all queries" if whole else "")
    for note in dict.fromkeys(result.supervised_encoder for result in results if result.supervised_encoder):
        yield f"{SUPERVISED} the encoder was supervised on what is asked: {note}"


def _notes(results: Sequence[Result], given: Sequence[Column]) -> Iterator[str]:
    yield from marks_in(results, " and ".join(column.name for column in given if column.kind == "baseline"))
    counts = sorted({result.samples for result in results})
    most = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    yield f"{most} queries a score; intervals of 95 %, over images"
    draws = Counter((same_setting(result), result.run, result.view) for result in results)
    if max(draws.values()) > 1:
        yield "± standard deviation over seeds of the demonstrations; the interval beside it is the mean of theirs"
    if unreadable := [result for result in results if result.unreadable]:
        worst = max(unreadable, key=lambda result: result.unreadable)
        yield (
            f"unreadable images, counted as wrong, in {len(unreadable)} of {len(results)} scores "
            f"(most: {worst.unreadable}, {worst.run} {worst.name})"
        )
    for key in dict.fromkeys(key for result in results for key in result.baselines):
        values = [{r.baselines[key] for r in group if key in r.baselines} for group in by_setting(results)]
        if any(len(different) > 1 for different in values):
            yield f"{BASELINES.get(key, key)} differs among the runs; the first run's is shown"
    if any(column.kind == "paper" for column in given):
        yield PAPER_NOTE
