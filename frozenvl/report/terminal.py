"""Scores and costs of runs, printed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frozenvl.report.cell import Cell, cell_of
from frozenvl.report.labels import words
from frozenvl.report.load import Result, Run, read_runs, same_setting
from frozenvl.report.tables import Table, marks_in, shown_scores
from frozenvl.util.printing import print_beside

FEW = 6
"""Galleries that are named one by one."""


def print_scores(folders: Sequence[Path]) -> None:
    """Prints the scores of runs that tables show."""
    print_runs(read_runs(folders))


def print_runs(runs: Sequence[Run], every: bool = False) -> None:
    """Prints scores side by side, with their 95 % intervals, and where the galleries are.

    Args:
        every: all scores, not only those that tables show.
    """
    results = [result for run in runs for result in run.results]
    found: dict[Any, dict[str, Result]] = {}
    for result in results:
        view = "seeing" if result.view == "blind" else result.view  # a blind run's own view, beside another's
        found.setdefault((same_setting(result), view, result.seed), {})[result.run] = result
    firsts = [next(iter(beside.values())) for beside in found.values()]
    rows: list[tuple[str, list[str]]] = []
    for first, beside in zip(firsts, found.values(), strict=True):
        name = called(first, firsts)
        shown = {first.main, *shown_scores(list(beside.values()))}
        for score in dict.fromkeys(score for result in beside.values() for score in result.scores):
            if every or score in shown:
                title = name if name == score else f"{name} {score}"
                owned = [beside.get(run.label) for run in runs]
                rows.append((title, [str(cell_of([own], score) if own else Cell()) for own in owned]))
    print_beside("score", [run.label for run in runs], rows)
    for note in marks_in(results):
        print(note)
    for run in runs:
        galleries = [path for result in run.results if (path := result.folder / "gallery.png").is_file()]
        for gallery in galleries if len(galleries) <= FEW else [run.folder / "evaluation/*/gallery.png"]:
            print(f"gallery: {gallery}")


def print_cost(costs: Table) -> None:
    """Prints what runs took, those that differ in their seed alone as one."""
    rows = [(row.score, [str(row.cells[column]) for column in costs.columns]) for row in costs.rows]
    print_beside("cost", [str(column) for column in costs.columns], rows)
    for note in costs.notes:
        print(note)


def called(result: Result, others: Sequence[Result]) -> str:
    """A result's name, with the part of its setting that tells it from others of that name."""
    own = facts(result)
    twins = [facts(other) for other in others if other.name == result.name]
    told = words({key: own[key] for key in own if any(twin.get(key) != own[key] for twin in twins)})
    return f"{result.name} ({told})" if told else result.name


def facts(result: Result) -> dict[str, Any]:
    """A result's setting with its seed."""
    seed = {} if result.seed is None else {"seed": result.seed}
    return {key: value for key, value in result.setting.items() if key != "seeds"} | seed
