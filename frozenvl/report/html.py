"""HTML page of a report: one file without scripts that opens offline, with its images and plots inside."""

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


def page(
    runs: Sequence[Run], tables: Sequence[Table], worth: Worth, serious: Sequence[str], minor: Sequence[str]
) -> str:
    """Returns the report of runs as HTML. Every text that comes from runs is escaped.

    Args:
        runs: runs of the report.
        tables: their benchmark tables.
        worth: their table of costs.
        serious: lines on differences that make scores not comparable.
        minor: lines on minor differences.
    """
    sections = [
        Section(table, plots_of(table), [made for run in runs if (made := gallery_of(run, table.benchmark))])
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
    """Writes report.html, report.md, scores.csv, tables.tex and, if parameters are known, cost.png.

    Args:
        runs: runs of the report.
        beside: their table of costs.
        out: folder for the files.
    """
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
    """Returns the Jinja environment of this folder's templates; there, `svg(plot)` draws a plot."""
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
    """Returns one line about a run: language model, encoder, steps and precision."""
    result = run.results[0]
    recorded: Any = result.provenance.get("model")
    model = recorded if isinstance(recorded, dict) else {}
    facts = [
        str(model["language"]) if "language" in model else "",
        f"{model['vision']}, k = {model.get('k', '?')}" if "vision" in model else "",
        "trained blind" if result.provenance.get("blind") else "",
        f"{result.step:,} steps" if isinstance(result.step, int) else "",
        str(result.provenance.get("precision", "")),
    ]
    return " · ".join(fact for fact in facts if fact)


def _provenance(result: Result) -> list[tuple[str, str]]:
    """Returns setting and provenance of a result as dotted keys and texts."""
    facts = flat(
        {"setting": result.setting | ({} if result.seed is None else {"seed": result.seed})}
        | result.provenance
    )
    texts = {key: x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for key, x in facts}
    return [(key, WAYS.get(x, x) if key.endswith("demonstrations") else x) for key, x in texts.items()]
