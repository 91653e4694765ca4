"""HTML page of a report: one file without scripts that opens offline, with its images and plots inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count, groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from frozenvl.report.answers import Gallery, gallery_of, picture
from frozenvl.report.comparability import differences, flat
from frozenvl.report.cost_table import Worth
from frozenvl.report.curves import plots_of
from frozenvl.report.figures import Plot
from frozenvl.report.formats import latex, markdown, scores_csv
from frozenvl.report.labels import WAYS
from frozenvl.report.load import Result, Run
from frozenvl.report.tables import Table, benchmark_tables
from frozenvl.util.files import write_atomically


@dataclass(frozen=True)
class Section:
    """Part of the page about one benchmark: its table, plots and galleries."""

    table: Table
    plots: Sequence[Plot]
    galleries: Sequence[Gallery] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Titles above groups of neighbouring columns, and the sizes of the groups.

        The name of a run stands above its views; a run without views has an empty title.
        """
        titles = {"baseline": "baselines", "paper": "the paper"}
        above = [titles.get(x.kind, x.name if x.detail else "") for x in self.table.columns]
        return [(title, len(list(same))) for title, same in groupby(above)]

    @property
    def edges(self) -> set[int]:
        """Indices of columns with a vertical line before them."""
        return set(accumulate(count for _, count in self.groups[:-1]))


def page(runs: Sequence[Run], tables: Sequence[Table], serious: Sequence[str], minor: Sequence[str]) -> str:
    """Returns the report of runs as HTML. Every text that comes from runs is escaped.

    `serious` and `minor` are lines on differences that make scores not comparable, and on minor differences.
    """
    sections = [
        Section(table, plots_of(table), [made for run in runs if (made := gallery_of(run, table.benchmark))])
        for table in tables
    ]
    curved = [run for run in runs if (run.folder / "curve.png").is_file()]
    template = environment().get_template("page.html")
    return template.render(
        runs=[(run, _about(run)) for run in runs],
        sections=sections,
        serious=serious,
        minor=minor,
        curves=[(run.label, picture(run.folder, "curve.png")) for run in curved],
        provenance=[(result, _provenance(result)) for run in runs for result in run.results],
    )


def write_report(runs: Sequence[Run], beside: Worth, out: Path) -> None:
    """Writes report.html, report.md, scores.csv, tables.tex and, if parameters are known, cost.png to a folder."""
    tables = [*benchmark_tables(runs), *([beside] if beside.costs else [])]
    serious, minor = differences([result for run in runs for result in run.results])
    for line in serious:
        print(f"not comparable: {line}")
    write_atomically(out / "report.md", markdown(tables, serious))
    write_atomically(out / "scores.csv", scores_csv(runs))
    write_atomically(out / "tables.tex", latex(tables))
    write_atomically(out / "report.html", page(runs, tables, serious, minor))
    for plot in plots_of(beside):
        write_atomically(out / f"{plot.name}.png", plot.file("png"))
    print(f"report: {out / 'report.html'}")


def environment() -> Environment:
    """Returns the Jinja environment of this folder's templates; there, `svg(plot)` draws a plot."""
    number = count(1)
    made = Environment(
        loader=PackageLoader("frozenvl.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["svg"] = lambda plot: Markup(plot.svg(next(number)))  # matplotlib escapes its labels
    return made


def _about(run: Run) -> str:
    """Returns one line about a run: language model, encoder, steps and precision."""
    result = run.results[0]
    known, model = result.provenance, result.provenance.get("model", {})
    facts = [
        model.get("language"),
        f"{model['vision']}, k = {model.get('k', '?')}" if "vision" in model else "",
        "trained blind" if known.get("blind") else "",
        f"{result.step:,} steps",
        known.get("precision"),
    ]
    return " · ".join(fact for fact in facts if fact)


def _provenance(result: Result) -> list[tuple[str, str]]:
    """Returns setting and provenance of a result as dotted keys and texts."""
    seed = {} if result.seed is None else {"seed": result.seed}
    facts = flat({"setting": result.setting | seed} | result.provenance)
    texts = {key: x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for key, x in facts}
    return [(key, WAYS.get(x, x) if key.endswith("demonstrations") else x) for key, x in texts.items()]
