"""The report of a sweep: printed, and as a page with plots, Markdown, CSV and LaTeX."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.report.comparability import differences
from frozenvl.report.cost_table import COSTS
from frozenvl.report.formats import latex, markdown
from frozenvl.report.html import Section, environment
from frozenvl.report.tables import Table
from frozenvl.sweep.plots import plots_of
from frozenvl.sweep.results import TOOK, Results, as_csv, last, read_results
from frozenvl.util.files import write_atomically


def report_sweep(folder: Path, out: Path) -> None:
    """Prints a sweep's table; writes it with its plots.

    Raises:
        UserError: where nothing of it is done yet.
    """
    results = read_results(folder)
    print_results(results)
    write(results, out)
    print(f"report: {out / 'report.html'}")


def print_results(results: Results) -> None:
    """Prints a table: a row a point, and of its scores the metric and the main loss; the report has all."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column as Printed
    from rich.table import Table as Grid
    from rich.text import Text

    table = results.table
    scored = (result for found in results.found for run in found.runs for result in run.results)
    losses = {result.main for result in scored if result.benchmark == LOSSES}
    shown = {"seeds", last(table.main), *losses, *(COSTS[key][0] for key in TOOK)}
    columns = [column for column in table.columns if column.name in shown]
    head = [Printed(escape(str(title)), overflow="fold") for title in (table.benchmark, *columns)]
    grid = Grid(*head)
    for row in table.rows:
        grid.add_row(Text(row.label), *(Text(str(row.cells[column])) for column in columns))
    Console().print(grid)
    for note in table.notes:
        print(note)


def write(results: Results, out: Path) -> None:
    """report.html, report.md, tables.tex, points.csv, scores.csv, and each plot as PNG and SVG."""
    table = results.table
    serious, minor = differences(
        [result for found in results.found for run in found.runs for result in run.results]
    )
    points, scores = as_csv(results)
    write_atomically(out / "report.md", markdown([table], serious))
    write_atomically(out / "tables.tex", latex([table]))
    write_atomically(out / "points.csv", points)
    write_atomically(out / "scores.csv", scores)
    for plot in plots_of(results):
        for kind in ("png", "svg"):
            write_atomically(out / f"{plot.name}.{kind}", plot.file(kind))
    write_atomically(out / "report.html", page(results, table, serious, minor))


def page(results: Results, table: Table, serious: list[str], minor: list[str]) -> str:
    """One page that needs nothing else."""
    from markupsafe import Markup

    number = count(1)
    # matplotlib escapes its labels
    plots = [(plot.title, Markup(plot.svg(next(number)))) for plot in plots_of(results)]
    section = Section(table, plots)
    return (
        environment()
        .get_template("sweep.html")
        .render(results=results, section=section, serious=serious, minor=minor)
    )
