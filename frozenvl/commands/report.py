"""Prints the scores of runs, or of a sweep, side by side; with --out, writes a page with curves, answers and tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frozenvl.report.cost_table import Worth, worth
from frozenvl.report.labels import words
from frozenvl.report.load import Result, Run, read_runs, same_setting
from frozenvl.report.tables import SHOWN_SCORES, VIEWS, benchmark_tables, marks_in, shown_scores
from frozenvl.sweep.state import is_sweep
from frozenvl.util.errors import UserError
from frozenvl.util.printing import print_beside

FEW = 6
"""Galleries that are named one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, or that of a sweep"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these benchmarks")
    parser.add_argument(
        "--views",
        nargs="+",
        default=[],
        metavar="VIEW",
        help=f"these only of what was shown of images: {', '.join(VIEWS)}",
    )
    parser.add_argument("--all", action="store_true", help="every score, not only " + ", ".join(SHOWN_SCORES))
    parser.add_argument(
        "--metric",
        metavar="SCORE",
        help="what is shown beside the cost of training, and plotted against trained parameters (default: CIDEr)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="writes report.html (one file, opens offline), report.md, scores.csv, tables.tex and cost.png there "
        "(of a sweep always; default: SWEEP/report)",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the scores, and writes them where that is asked for."""
    if args.out and args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out} is a file; name a folder")
    if any(is_sweep(folder) for folder in args.runs):
        return run_sweep(args)
    runs = read_runs(args.runs, args.only, args.views)
    for folder in args.runs:
        if folder not in [run.folder for run in runs]:
            print(f"frozenvl: {folder}: left out, it has no such scores", file=sys.stderr)
    beside = worth(runs, args.metric)
    print_table(runs, every=args.all)
    if beside.costs:
        print_cost(beside)
    if args.out:
        write(runs, beside, args.out)
    return 0


def run_sweep(args: argparse.Namespace) -> int:
    """The same of a sweep, whose points stand below each other."""
    from frozenvl.sweep.report import report_sweep

    if len(args.runs) > 1 or args.only or args.views or args.all or args.metric:
        raise UserError(
            "the report of a sweep is of one sweep, by its own metric: frozenvl report SWEEP [--out FOLDER]"
        )
    report_sweep(args.runs[0], args.out or args.runs[0] / "report")
    return 0


def print_scores(folders: Sequence[Path]) -> None:
    """Prints all main scores of runs."""
    print_table(read_runs(folders))


def print_table(runs: Sequence[Run], every: bool = False) -> None:
    """Prints scores beside each other, with their 95 % intervals; and where the galleries are."""
    from frozenvl.report.cell import Cell, cell_of

    rows: list[tuple[str, list[str]]] = []
    found: dict[Any, dict[str, Result]] = {}
    for result in (result for run in runs for result in run.results):
        view = "seeing" if result.view == "blind" else result.view  # a blind run's own view, beside another's
        found.setdefault((same_setting(result), view, result.seed), {})[result.run] = result
    firsts = [next(iter(beside.values())) for beside in found.values()]
    for first, beside in zip(firsts, found.values(), strict=True):
        name = called(first, firsts)
        scores = dict.fromkeys(score for result in beside.values() for score in result.scores)
        for score in scores:
            if every or score == first.main or score in shown_scores(list(beside.values())):
                cells = [
                    cell_of([beside[run.label]], score) if run.label in beside else Cell() for run in runs
                ]
                title = name if name == score else f"{name} {score}"
                rows.append((title, [str(cell) for cell in cells]))
    print_beside("score", [run.label for run in runs], rows)
    for note in marks_in(result for run in runs for result in run.results):
        print(note)
    for run in runs:
        galleries = [path for result in run.results if (path := result.folder / "gallery.png").is_file()]
        for gallery in galleries if len(galleries) <= FEW else [run.folder / "evaluation/*/gallery.png"]:
            print(f"gallery: {gallery}")


def print_cost(beside: Worth) -> None:
    """Prints what runs took, those that differ in their seed alone as one."""
    content = beside.table
    rows = [(row.score, [str(row.cells[column]) for column in content.columns]) for row in content.rows]
    print_beside("cost", [str(column) for column in content.columns], rows)
    for note in content.notes:
        print(note)


def called(result: Result, others: Sequence[Result]) -> str:
    """A result's name, with what tells it from others of that name."""
    own = facts(result)
    twins = [facts(other) for other in others if other.name == result.name]
    told = words({key: own[key] for key in own if any(twin.get(key) != own[key] for twin in twins)})
    return f"{result.name} ({told})" if told else result.name


def facts(result: Result) -> dict[str, Any]:
    """A result's setting with its seed."""
    seed = {} if result.seed is None else {"seed": result.seed}
    return {key: value for key, value in result.setting.items() if key != "seeds"} | seed


def write(runs: Sequence[Run], beside: Worth, out: Path) -> None:
    """Writes the report of runs as a page, as Markdown, CSV and LaTeX, and the plot of what they were worth."""
    from frozenvl.report.comparability import differences
    from frozenvl.report.formats import latex, markdown, scores_csv
    from frozenvl.report.html import page
    from frozenvl.report.scatter import as_png
    from frozenvl.util.files import write_atomically

    tables = benchmark_tables(runs)
    told = [*tables, beside.table] if beside.costs else tables
    serious, minor = differences([result for run in runs for result in run.results])
    for line in serious:
        print(f"not comparable: {line}")
    write_atomically(out / "report.md", markdown(told, serious))
    write_atomically(out / "scores.csv", scores_csv(runs))
    write_atomically(out / "tables.tex", latex(told))
    write_atomically(out / "report.html", page(runs, tables, beside, serious, minor))
    if beside.points:
        write_atomically(out / "cost.png", as_png(beside))
    print(f"report: {out / 'report.html'}")
