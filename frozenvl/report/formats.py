"""Tables and scores as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.labels import ordered
from frozenvl.report.load import Run
from frozenvl.report.tables import Table

MARKDOWN = {character: f"\\{character}" for character in "\\`*_[]|~#"}
MARKDOWN |= {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "}
LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "±": r"$\pm$",
    "†": r"$^{\dagger}$",
    "\n": " ",
}
PLAIN = [
    "run",
    "evaluation",
    "benchmark",
    "protocol",
    "view",
    "seed",
    "step",
    "samples",
    "of",
    "partial",
    "unreadable",
]


def markdown(tables: Sequence[Table], warnings: Sequence[str]) -> str:
    """Returns all tables as Markdown, below the warnings that scores are not comparable."""
    parts = ["# Report", *(f"- Not comparable: {_escaped(line, MARKDOWN)}" for line in warnings)]
    for table in tables:
        head, body = _grid(table)
        words = len(table.head)
        lines = [head, ["---"] * words + ["--:"] * (len(head) - words), *body]
        escaped = [
            [cell if line is lines[1] else _escaped(cell, MARKDOWN) for cell in line] for line in lines
        ]
        parts += [
            f"\n## {_escaped(table.benchmark, MARKDOWN)}\n",
            *([f"{_escaped(_caption(table), MARKDOWN)}\n"]),
            *("| " + " | ".join(line) + " |" for line in escaped),
            "",
            *(f"- {_escaped(note, MARKDOWN)}" for note in table.notes),
        ]
    return "\n".join(parts) + "\n"


def latex(tables: Sequence[Table]) -> str:
    """Returns each table as a LaTeX `table` environment with the rules of `booktabs`."""
    labels = [re.sub(r"[^a-z0-9]+", "-", table.benchmark.lower()).strip("-") for table in tables]
    repeats = [labels[:n].count(label) for n, label in enumerate(labels)]
    parts = [
        "\n".join(_latex(table, f"{label}-{n + 1}" if n else label)) + "\n"
        for table, label, n in zip(tables, labels, repeats, strict=True)
    ]
    return "% \\usepackage{booktabs}\n" + "\n".join(parts)


def _latex(table: Table, label: str) -> Iterator[str]:
    head, body = _grid(table)
    words = len(table.head)
    yield from (r"\begin{table}", r"\centering", r"\small")
    yield rf"\caption{{{_escaped(f'{table.benchmark}: {_caption(table)}', LATEX)}}}"
    yield rf"\label{{tab:{label}}}"
    yield rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(head) - words)}}}"
    yield r"\toprule"
    for number, line in enumerate([head, *body]):
        yield " & ".join(_escaped(cell, LATEX) for cell in line) + r" \\"
        if number == 0:
            yield r"\midrule"
    yield from (r"\bottomrule", r"\end{tabular}", r"\par")
    yield from (rf"{{\footnotesize {_escaped(note, LATEX)}\par}}" for note in table.notes)
    yield r"\end{table}"


def scores_csv(runs: Sequence[Run]) -> str:
    """Returns a CSV with a row for each run, evaluation and score (unrounded), with settings and costs as columns."""
    costs = dict.fromkeys(f"cost.{key}" for run in runs for key in run.cost)
    keys = ordered({key for run in runs for result in run.results for key in result.setting})
    rows = []
    for run in runs:
        spent = costs | {f"cost.{key}": value for key, value in run.cost.items()}
        for result in run.results:
            values = vars(result) | {"evaluation": result.name}
            start = {name: values[name] for name in PLAIN}
            start |= {f"setting.{key}": result.setting.get(key) for key in keys}
            for score, value in result.scores.items():
                low, high = result.intervals.get(score, ("", ""))
                main = score == result.main
                rows.append(
                    {**start, "score": score, "main": main, "value": value, "low": low, "high": high, **spent}
                )
    return as_csv(rows)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a CSV of rows that have the same keys."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _grid(table: Table) -> tuple[list[str], list[list[str]]]:
    head = [*table.head, *map(str, table.columns)]
    body = [
        [*table.start(row), *(str(row.cells.get(column, "–")) for column in table.columns)]
        for row in table.rows
    ]
    return head, body


def _caption(table: Table) -> str:
    return f"{table.main}; {table.common}" if table.common else table.main


def _escaped(text: str, by: Mapping[str, str]) -> str:
    return "".join(by.get(character, character) for character in text)
