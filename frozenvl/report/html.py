"""One page that needs nothing else: no network, no scripts, pictures inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frozenvl.report.answers import Gallery, gallery_of, picture
from frozenvl.report.comparability import differences, flat
from frozenvl.report.cost_table import Worth
from frozenvl.report.curves import cost_plot, plots_of
from frozenvl.report.figures import Plot
from frozenvl.report.formats import latex, markdown, scores_csv
from frozenvl.report.labels import WAYS
from frozenvl.report.load import Result, Run
from frozenvl.report.tables import Table, benchmark_tables
from frozenvl.util.files import write_atomically

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Section:
    """What the page says of a benchmark."""

    table: Table
    plots: Sequence[Plot]
    galleries: Sequence[Gallery] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Titles above neighbouring columns, and their number: runs above what they saw, nothing above a lone name."""
        titles = {"baseline": "baselines", "paper": "the paper"}
        above = [titles.get(x.kind, x.name if x.detail else "") for x in self.table.columns]
        return [(title, len(list(same))) for title, same in groupby(above)]

    @property
    def edges(self) -> set[int]:
        """Columns with a line before them."""
        return set(accumulate(count for _, count in self.groups[:-1]))


def page(
    runs: Sequence[Run], tables: Sequence[Table], worth: Worth, serious: Sequence[str], minor: Sequence[str]
) -> str:
    """The report of runs as HTML. Everything that comes from them is escaped."""
    sections = [
        Section(
            table, plots_of(table), [found for run in runs if (found := gallery_of(run, table.benchmark))]
        )
        for table in tables
    ]
    if worth.costs:
        sections.append(Section(worth, [cost_plot(worth)] if worth.points else []))
    return (
        environment()
        .get_template("page.html")
        .render(
            runs=[(run, _about(run)) for run in runs],
            sections=sections,
            serious=serious,
            minor=minor,
            curves=[(run.label, curve) for run in runs if (curve := picture(run.folder / "curve.png"))],
            provenance=[(result, _provenance(result)) for run in runs for result in run.results],
        )
    )


def write_report(runs: Sequence[Run], beside: Worth, out: Path) -> None:
    """Writes the report of runs as a page, as Markdown, CSV and LaTeX, and the plot of scores against parameters."""
    tables = benchmark_tables(runs)
    written = [*tables, beside] if beside.costs else tables
    serious, minor = differences([result for run in runs for result in run.results])
    for line in serious:
        print(f"not comparable: {line}")
    write_atomically(out / "report.md", markdown(written, serious))
    write_atomically(out / "scores.csv", scores_csv(runs))
    write_atomically(out / "tables.tex", latex(written))
    write_atomically(out / "report.html", page(runs, tables, beside, serious, minor))
    if beside.points:
        write_atomically(out / "cost.png", cost_plot(beside).file("png"))
    print(f"report: {out / 'report.html'}")


def environment() -> Environment:
    """Makes a page of this folder's templates; `svg(plot)` in a template is a plot's drawing."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

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
    """A run in a line: its models and how long it was trained."""
    result = run.results[0]
    model: Any = result.provenance.get("model")
    known = model if isinstance(model, dict) else {}
    facts = [
        str(known["language"]) if "language" in known else "",
        f"{known['vision']}, k = {known.get('k', '?')}" if "vision" in known else "",
        "trained blind" if result.provenance.get("blind") else "",
        f"{result.step:,} steps" if isinstance(result.step, int) else "",
        str(result.provenance.get("precision", "")),
    ]
    return " · ".join(fact for fact in facts if fact)


def _provenance(result: Result) -> list[tuple[str, str]]:
    """Setting and provenance of a result with dotted keys, and values in words."""
    facts = flat(
        {"setting": result.setting | ({} if result.seed is None else {"seed": result.seed})}
        | result.provenance
    )
    texts = {key: x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for key, x in facts}
    return [(key, WAYS.get(x, x) if key.endswith("demonstrations") else x) for key, x in texts.items()]
