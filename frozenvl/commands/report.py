"""Prints the scores of runs, or of a sweep, side by side. With --out, writes a page with curves, answers and tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frozenvl.report.tables import VIEWS
from frozenvl.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, or the folder of one sweep"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these benchmarks")
    parser.add_argument(
        "--views",
        nargs="+",
        default=[],
        metavar="VIEW",
        help=f"only these views of images: {', '.join(VIEWS)}",
    )
    parser.add_argument("--all", action="store_true", help="print every score, not only the main ones")
    parser.add_argument(
        "--metric",
        metavar="SCORE",
        help="score to show beside the cost of training, and to plot against trained parameters (default: the main "
        "score of the first benchmark)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder for report.html (one file, opens offline), report.md, scores.csv, tables.tex and cost.png "
        "(default: none; for a sweep SWEEP/report)",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the scores, and writes the report if asked."""
    from frozenvl.report.cost_table import worth
    from frozenvl.report.html import write_report
    from frozenvl.report.load import read_runs
    from frozenvl.report.terminal import print_cost, print_runs
    from frozenvl.sweep.report import report_sweep
    from frozenvl.sweep.state import is_sweep

    if args.out and args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out} is a file; name a folder")
    if any(is_sweep(folder) for folder in args.runs):
        if len(args.runs) > 1 or args.only or args.views or args.all or args.metric:
            raise UserError(
                "the report of a sweep is of one sweep, by its own metric: frozenvl report SWEEP [--out FOLDER]"
            )
        report_sweep(args.runs[0], args.out or args.runs[0] / "report")
        return 0
    runs = read_runs(args.runs, args.only, args.views)
    for folder in args.runs:
        if folder not in [run.folder for run in runs]:
            print(f"frozenvl: {folder}: left out, because none of its scores was chosen", file=sys.stderr)
    beside = worth(runs, args.metric)
    print_runs(runs, every=args.all)
    if beside.costs:
        print_cost(beside)
    if args.out:
        write_report(runs, beside, args.out)
    return 0
