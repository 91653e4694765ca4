"""Prints the scores of runs side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from frozenvl.errors import UserError

SHOWN_SCORES = ("CIDEr", "Bleu_4", "ROUGE_L", "overall")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    parser.add_argument("--all", action="store_true", help="every score, not only " + ", ".join(SHOWN_SCORES))


def run(args: argparse.Namespace) -> int:
    """Prints a table: a row a score, a column a run, each with its 95 % interval."""
    from rich.console import Console
    from rich.table import Table

    scores = {folder: read_scores(folder) for folder in args.runs}
    table = Table("score", *(folder.name for folder in args.runs))
    rows = dict.fromkeys(
        (name, key)
        for results in scores.values()
        for name, result in results.items()
        for key in result["scores"]
        if args.all or key in SHOWN_SCORES
    )
    for name, key in rows:
        table.add_row(f"{name} {key}", *(cell(scores[folder].get(name), key) for folder in args.runs))
    Console().print(table)
    for folder in args.runs:
        for gallery in sorted(folder.glob("evaluation/*/gallery.png")):
            print(f"gallery: {gallery}")
    return 0


def read_scores(run: Path) -> dict[str, Any]:
    """The content of each `score.json` of a run, by evaluation.

    Raises:
        UserError: where there is none.
    """
    files = sorted(run.glob("evaluation/*/score.json"))
    if not files:
        raise UserError(
            f"{run}: no scores there (looked for {run}/evaluation/*/score.json); validate it first"
        )
    return {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in files}


def cell(result: dict[str, Any] | None, key: str) -> str:
    """A score with its interval; `*` marks a partial validation."""
    if result is None or key not in result["scores"]:
        return "–"
    digits = 1 if key == "overall" else 3
    low, high = result["intervals"][key]
    mark = "*" if result["partial"] else ""
    return f"{result['scores'][key]:.{digits}f}{mark}  [{low:.{digits}f}, {high:.{digits}f}]"
