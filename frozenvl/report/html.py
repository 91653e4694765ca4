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
from frozenvl.report.curves import AXES, Panel, as_file, as_svg, draw, panels
from frozenvl.report.formats import latex, markdown, scores_csv
from frozenvl.report.labels import WAYS
from frozenvl.report.load import Result, Run
from frozenvl.report.scatter import scatter
from frozenvl.report.tables import Table, benchmark_tables
from frozenvl.util.files import write_atomically

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Section:
    """What the page says of a benchmark."""

    table: Table
    plots: Sequence[tuple[str, str]]
    """What each shows, in words, and the drawing."""
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
    from markupsafe import Markup

    number = count(1)
    sections = []
    for table in tables:
        shown = [gallery for run in runs if (gallery := gallery_of(run, table.benchmark))]
        # matplotlib escapes its labels
        plots = [(_called(p, table), Markup(draw(p, table.main, next(number)))) for p in panels(table)]
        sections.append(Section(table, plots, shown))
    if worth.costs:
        plots = [(worth.main, Markup(as_svg(lambda: scatter(worth), next(number))))] if worth.points else []
        sections.append(Section(worth, plots))
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
        write_atomically(out / "cost.png", as_file(lambda: scatter(beside), "png"))
    print(f"report: {out / 'report.html'}")


def environment() -> Environment:
    """Makes pages of this folder's templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("frozenvl.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _called(panel: Panel, table: Table) -> str:
    title = f"{table.benchmark}, {panel.title}" if panel.title else table.benchmark
    return f"{title}: {table.main} against {AXES[panel.axis]}"


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
