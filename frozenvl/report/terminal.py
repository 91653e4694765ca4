"""Scores and costs of runs, printed side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from frozenvl.report.load import Run, read_runs
from frozenvl.report.tables import PAPER_NOTE, Column, Row, Table, benchmark_tables, row_name
from frozenvl.util.printing import print_beside

FEW = 6
"""Maximum number of galleries that are listed one by one."""


def print_scores(folders: Sequence[Path], benchmarks: Sequence[str] = ()) -> None:
    """Reads runs and prints the scores of the named benchmarks, as far as there are any; by default of all."""
    is_wanted = lambda result: not benchmarks or result.benchmark in benchmarks
    runs = [replace(run, results=tuple(filter(is_wanted, run.results))) for run in read_runs(folders)]
    if any(run.results for run in runs):
        print_runs(runs)


def print_runs(runs: Sequence[Run], every: bool = False) -> None:
    """Prints the benchmark tables of runs as one table, without the paper's numbers, then the paths of galleries.

    `every` prints all scores, not only those that tables show.
    """
    tables = benchmark_tables(runs, every)
    unique = dict.fromkeys(column for table in tables for column in table.columns if column.kind != "paper")
    order = [run.label for run in runs]
    columns = sorted(unique, key=lambda x: order.index(x.name) if x.kind == "run" else len(order))
    rows = [(table.benchmark, row) for table in tables for row in table.rows]
    print_rows("score", columns, [(row_name(name, row.score, row.label), row) for name, row in rows])
    benchmarks_of = defaultdict(list)
    for table in tables:
        for note in table.notes:
            benchmarks_of[note].append(table.benchmark)
    for note, benchmarks in benchmarks_of.items():
        if note != PAPER_NOTE:
            print(note if len(benchmarks) == len(tables) else f"{', '.join(benchmarks)}: {note}")
    for run in runs:
        galleries = [path for result in run.results if (path := result.folder / "gallery.png").is_file()]
        for gallery in galleries if len(galleries) <= FEW else [run.folder / "evaluation/*/gallery.png"]:
            print(f"gallery: {gallery}")


def print_cost(costs: Table) -> None:
    """Prints the costs of runs; runs that differ only in their seed share a column."""
    print_rows("cost", costs.columns, [(row.score, row) for row in costs.rows])
    for note in costs.notes:
        print(note)


def print_rows(corner: str, columns: Sequence[Column], rows: Sequence[tuple[str, Row]]) -> None:
    """Prints rows of tables, each behind its name. `corner` is the heading of the names."""
    cells = [(name, [str(row.cells.get(column, "–")) for column in columns]) for name, row in rows]
    print_beside(corner, list(map(str, columns)), cells)
