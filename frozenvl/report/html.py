"""One page that needs nothing else: no network, no scripts, pictures inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from frozenvl.report.answers import Gallery, galleries, picture
from frozenvl.report.curves import Panel, draw, panels
from frozenvl.report.differences import flat
from frozenvl.report.reading import Result, Run
from frozenvl.report.settings import WAYS
from frozenvl.report.tables import Column, Table


@dataclass(frozen=True)
class Section:
    """What the page says of a benchmark."""

    table: Table
    groups: list[tuple[str, int]]
    """Titles above neighbouring columns, and of how many."""
    edges: set[int]
    """Columns with a line before them."""
    plots: Sequence[tuple[Panel, str]]
    galleries: list[Gallery]


def page(runs: Sequence[Run], tables: Sequence[Table], serious: Sequence[str], minor: Sequence[str]) -> str:
    """The report of runs as HTML. Everything that comes from them is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("frozenvl.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = []
    number = 0
    for table in tables:
        plots = []
        for panel in panels(table):
            number += 1
            plots.append((panel, Markup(draw(panel, table.main, number))))  # matplotlib escapes its labels
        shown = [gallery for run in runs for gallery in galleries(run, table.benchmark)]
        groups = _groups(table.columns)
        edges = set(accumulate(count for _, count in groups[:-1]))
        sections.append(Section(table, groups, edges, plots, shown))
    return environment.get_template("page.html").render(
        runs=[(run, _about(run)) for run in runs],
        sections=sections,
        serious=serious,
        minor=minor,
        curves=[(run.label, curve) for run in runs if (curve := picture(run.folder / "curve.png"))],
        circumstances=[(result, _circumstances(result)) for run in runs for result in run.results],
    )


def _groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Runs above what they saw; nothing above runs that are told by their names alone."""
    titles = {"baseline": "baselines", "paper": "the paper"}
    above = [titles.get(column.kind, column.name if column.detail else "") for column in columns]
    return [(title, len(list(same))) for title, same in groupby(above)]


def _about(run: Run) -> str:
    """A run in a line: its models and how long it was trained."""
    result = run.results[0]
    model: Any = result.circumstances.get("model")
    known = model if isinstance(model, dict) else {}
    facts = [
        str(known["language"]) if "language" in known else "",
        f"{known['vision']}, k = {known.get('k', '?')}" if "vision" in known else "",
        "trained blind" if result.circumstances.get("blind") else "",
        f"{result.step:,} steps" if isinstance(result.step, int) else "",
        str(result.circumstances.get("precision", "")),
    ]
    return " · ".join(fact for fact in facts if fact)


def _circumstances(result: Result) -> list[tuple[str, str]]:
    facts = {"setting": result.setting | ({} if result.seed is None else {"seed": result.seed})}
    told = []
    for key, value in flat(facts | result.circumstances):
        if key.endswith("demonstrations") and value in WAYS:
            value = WAYS[value]
        told.append((key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    return told
