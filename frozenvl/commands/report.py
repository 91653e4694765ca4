"""Prints the scores of runs, or of a sweep, side by side; with --out, writes a page with curves, answers and tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frozenvl.report.tables import VIEWS
from frozenvl.util.errors import UserError


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
    parser.add_argument("--all", action="store_true", help="every score, not only those that matter most")
    parser.add_argument(
        "--metric",
        metavar="SCORE",
        help="shown beside the cost of training, and plotted against trained parameters (default: the first "
        "benchmark's main score)",
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
            print(f"frozenvl: {folder}: left out, it has no such scores", file=sys.stderr)
    beside = worth(runs, args.metric)
    print_runs(runs, every=args.all)
    if beside.costs:
        print_cost(beside)
    if args.out:
        write_report(runs, beside, args.out)
    return 0
