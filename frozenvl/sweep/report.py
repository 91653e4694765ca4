"""Report of a sweep: a printed table, and a page with plots, Markdown, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.report.comparability import differences
from frozenvl.report.cost_table import COSTS
from frozenvl.report.formats import latex, markdown
from frozenvl.report.html import Section, environment
from frozenvl.report.terminal import print_rows
from frozenvl.sweep.plots import plots_of
from frozenvl.sweep.results import SHOWN_COSTS, SweepResults, points_csv, read_results, scores_csv
from frozenvl.sweep.state import place_of
from frozenvl.util.files import write_atomically


def report_sweep(folder: Path, out: Path) -> None:
    """Prints a sweep's table; writes report.html, report.md, tables.tex, points.csv, scores.csv and plots to `out`.

    Raises:
        UserError: if no run is done yet.
    """
    results = read_results(folder)
    table, plots = results.table, plots_of(results)
    print_table(results)
    serious, minor = differences(results.results)
    write_atomically(out / "report.md", markdown([table], serious))
    write_atomically(out / "tables.tex", latex([table]))
    write_atomically(out / "points.csv", points_csv(results))
    write_atomically(out / "scores.csv", scores_csv(results))
    for plot in plots:
        for kind in ("png", "svg"):
            write_atomically(out / f"{plot.name}.{kind}", plot.file(kind))
    page = environment().get_template("sweep.html")
    described = {**results.spec, "states": results.states}
    text = page.render(results=described, section=Section(table, plots), serious=serious, minor=minor)
    write_atomically(out / "report.html", text)
    print(f"report: {out / 'report.html'}")


def print_table(results: SweepResults) -> None:
    """Prints a row for each point with its metric, loss and costs; the written report has all scores."""
    table = results.table
    losses = {result.main for result in results.results if result.benchmark == LOSSES}
    shown = {"seeds", place_of(table.main)[1], *losses, *(COSTS[key][0] for key in SHOWN_COSTS)}
    columns = [column for column in table.columns if column.name in shown]
    print_rows(table.benchmark, columns, [(row.label, row) for row in table.rows])
    for note in table.notes:
        print(note)
