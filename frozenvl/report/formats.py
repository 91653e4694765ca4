"""Tables and scores as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.labels import ordered
from frozenvl.report.load import Run
from frozenvl.report.tables import Table

MARKDOWN = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_[]|~#"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "}
)
LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " "}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "–": "--", "±": r"$\pm$", "†": r"$^{\dagger}$"}
)
PLAIN = ("benchmark", "protocol", "view", "seed", "step", "samples", "of", "partial", "unreadable")
"""Fields of a result that are columns of a CSV."""


def markdown(tables: Sequence[Table], warnings: Sequence[str]) -> str:
    """Returns all tables as Markdown, below the warnings that scores are not comparable."""
    lines = ["# Report", *(f"- Not comparable: {line.translate(MARKDOWN)}" for line in warnings)]
    for table in tables:
        head, *body = _grid(table, MARKDOWN)
        rules = ["---"] * len(table.head) + ["--:"] * len(table.columns)
        lines += ["", f"## {table.benchmark.translate(MARKDOWN)}", "", table.caption.translate(MARKDOWN), ""]
        lines += [f"| {' | '.join(line)} |" for line in (head, rules, *body)]
        lines += ["", *(f"- {note.translate(MARKDOWN)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def latex(tables: Sequence[Table]) -> str:
    """Returns each table as a LaTeX `table` environment with the rules of `booktabs`."""
    lines = [r"% \usepackage{booktabs}"]
    times: Counter[str] = Counter()
    for table in tables:
        label = re.sub(r"[^a-z0-9]+", "-", table.benchmark.lower()).strip("-")
        times[label] += 1
        lines += _latex(table, label if times[label] == 1 else f"{label}-{times[label]}")
    return "\n".join(lines)


def _latex(table: Table, label: str) -> Iterator[str]:
    head, *body = (" & ".join(line) + r" \\" for line in _grid(table, LATEX))
    yield from (r"\begin{table}", r"\centering", r"\small")
    yield rf"\caption{{{f'{table.benchmark}: {table.caption}'.translate(LATEX)}}}"
    yield rf"\label{{tab:{label}}}"
    yield rf"\begin{{tabular}}{{{'l' * len(table.head)}{'r' * len(table.columns)}}}"
    yield from (r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\par")
    yield from (rf"{{\footnotesize {note.translate(LATEX)}\par}}" for note in table.notes)
    yield from (r"\end{table}", "")


def _grid(table: Table, escapes: Mapping[int, str]) -> Iterator[list[str]]:
    """Yields the head of a table and its rows as escaped texts."""
    yield [title.translate(escapes) for title in (*table.head, *map(str, table.columns))]
    for row in table.rows:
        cells = (str(row.cells.get(column, "–")) for column in table.columns)
        yield [text.translate(escapes) for text in (*table.start(row), *cells)]


def scores_csv(runs: Sequence[Run]) -> str:
    """Returns a CSV with a row for each run, evaluation and score (unrounded), with settings and costs as columns."""
    costs = dict.fromkeys(key for run in runs for key in run.cost)
    keys = ordered({key for run in runs for result in run.results for key in result.setting})
    rows = []
    for run in runs:
        spent = {f"cost.{key}": run.cost.get(key) for key in costs}
        for result in run.results:
            start: dict[str, Any] = {"run": run.label, "evaluation": result.name}
            start |= {name: getattr(result, name) for name in PLAIN}
            start |= {f"setting.{key}": result.setting.get(key) for key in keys}
            for score, value in result.scores.items():
                low, high = result.intervals.get(score, ("", ""))
                own = {"score": score, "main": score == result.main, "value": value, "low": low, "high": high}
                rows.append(start | own | spent)
    return as_csv(rows)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a CSV of rows that have the same keys."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
