"""Prints the scores of runs side by side; with --out, writes them as one page with curves, answers and tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from frozenvl.errors import UserError
from frozenvl.report.tables import SHOWN_SCORES

FEW = 6
"""Galleries that are named one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    parser.add_argument("--all", action="store_true", help="every score, not only " + ", ".join(SHOWN_SCORES))
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="writes report.html (one file, opens offline), report.md, scores.csv and tables.tex there",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the scores, and writes them where that is asked for."""
    if args.out and args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out} is a file; name a folder")
    print_scores(args.runs, every=args.all)
    if args.out:
        write(args.runs, args.out)
    return 0


def print_scores(folders: Sequence[Path], every: bool = False) -> None:
    """Prints a table: a row a score, a column a run, each with its 95 % interval."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table
    from rich.text import Text

    from frozenvl.report.cells import Cell, cell_of
    from frozenvl.report.reading import read_runs

    runs = read_runs(folders)
    table = Table(Column("score", overflow="fold"), *(escape(run.label) for run in runs))
    rows = dict.fromkeys(
        (result.name, score)
        for run in runs
        for result in run.results
        for score in result.scores
        if every or score in SHOWN_SCORES or score == result.main
    )
    found = {(result.run, result.name): result for run in runs for result in run.results}
    for name, score in rows:
        results = [found.get((run.label, name)) for run in runs]
        cells = [cell_of([result], score) if result else Cell() for result in results]
        table.add_row(*(Text(text) for text in (f"{name} {score}", *map(str, cells))))
    Console().print(table)
    for folder in folders:
        galleries = sorted(folder.glob("evaluation/*/gallery.png"))
        for gallery in galleries if len(galleries) <= FEW else [folder / "evaluation/*/gallery.png"]:
            print(f"gallery: {gallery}")


def write(folders: Sequence[Path], out: Path) -> None:
    """Writes the report of runs as a page, as Markdown, CSV and LaTeX."""
    from frozenvl.files import write_atomically
    from frozenvl.report.differences import differences
    from frozenvl.report.formats import latex, markdown, scores_csv
    from frozenvl.report.html import page
    from frozenvl.report.reading import read_runs
    from frozenvl.report.tables import benchmark_tables

    runs = read_runs(folders)
    tables = benchmark_tables(runs)
    serious, minor = differences([result for run in runs for result in run.results])
    for line in serious:
        print(f"not comparable: {line}")
    write_atomically(out / "report.md", markdown(tables, serious))
    write_atomically(out / "scores.csv", scores_csv(runs))
    write_atomically(out / "tables.tex", latex(tables))
    write_atomically(out / "report.html", page(runs, tables, serious, minor))
    print(f"report: {out / 'report.html'}")
