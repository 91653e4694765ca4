"""What runs were worth: a score beside what it took, runs that differ in their seed alone together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.report.cell import Cell, cell_of
from frozenvl.report.labels import shared, words
from frozenvl.report.load import Result, Run
from frozenvl.report.seeds import Group, by_seed, over_seeds
from frozenvl.report.tables import Column, Row, Table, by_setting, marks_in, row_name
from frozenvl.util.errors import UserError

COSTS = {
    "trained_parameters": ("trained parameters", 0),
    "pairs": ("pairs seen", 0),
    "pairs_per_second": ("pairs/s", 1),
    "minutes": ("minutes", 1),
    "peak_memory_gb": ("peak memory, GB", 2),
    "gpu_peak_memory_gb": ("peak memory of the GPU, GB", 2),
}
"""What cost.json has: in words, and its digits."""
SIZE = COSTS["trained_parameters"][0]


@dataclass(frozen=True)
class Worth(Table):
    """Scores and costs, row by row. A column is a run, or several that differ in their seed alone."""

    metric: str
    scores: tuple[Row, ...]
    """The metric, in each evaluation that has it."""
    costs: tuple[Row, ...]
    """What the runs recorded of their fits; none, where none did and no runs belong together."""

    @property
    def points(self) -> list[tuple[Row, list[tuple[Column, float, Cell]]]]:
        """Each evaluation with its points: a column, its trained parameters, its score."""
        sizes = next((row.cells for row in self.costs if row.score == SIZE), {})
        found = []
        for row in self.scores:
            known = [
                (column, sizes[column].mean or 0.0, row.cells[column])
                for column in self.columns
                if sizes.get(column, Cell()).mean and row.cells[column].mean is not None
            ]
            if known:
                found.append((row, known))
        return found


def worth(runs: Sequence[Run], metric: str | None = None) -> Worth:
    """A metric beside what it took.

    Args:
        metric: a score's name; by default the first benchmark's main score, or else that of the losses.

    Raises:
        UserError: where no run has such a score.
    """
    results = [result for run in runs for result in run.results]
    own = [result for result in results if result.view in ("seeing", "blind")] or results
    known = list(dict.fromkeys(score for result in own for score in result.scores))
    chosen = metric or min(own, key=lambda result: result.benchmark == LOSSES).main
    if chosen not in known:
        raise UserError(f"no run has a score {chosen!r}; there are {', '.join(known)}")
    groups = by_seed(runs)
    columns = {Column("run", group.label): group for group in groups}
    having = [result for result in own if chosen in result.scores]
    scores = [_score(alike, having, chosen, columns) for alike in by_setting(having)]
    told = [result for result in own if result.benchmark == LOSSES and result.main != chosen]
    costs = [_score(alike, told, alike[0].main, columns) for alike in by_setting(told)]
    for key, (title, digits) in COSTS.items():
        cells = {
            column: over_seeds([Cell(digits, run.cost.get(key)) for run in group.runs])
            for column, group in columns.items()
        }
        if any(cell.mean is not None for cell in cells.values()):
            costs.append(Row({}, "", title, cells))
    together = any(len(group.runs) > 1 for group in groups)
    notes = [*marks_in([*having, *told])]
    if together:
        notes.append(
            "± standard deviation over runs that differ in their seed alone; the interval is that of their mean, by "
            "Student's t"
        )
    if not together and not any(run.cost for run in runs):
        costs = []
    title = f"{chosen} beside {SIZE} and what training took"
    rows = (*scores, *costs)
    return Worth("cost", title, "", tuple(columns), rows, tuple(notes), chosen, tuple(scores), tuple(costs))


def _score(
    alike: Sequence[Result], all_of_them: Sequence[Result], score: str, columns: dict[Column, Group]
) -> Row:
    """A score at one setting, called after its benchmark unless that is its name, too."""
    first = alike[0]
    several = by_setting([result for result in all_of_them if result.benchmark == first.benchmark])
    setting = (
        words(first.setting, shared([group[0].setting for group in several])) if len(several) > 1 else ""
    )
    cells = {
        column: over_seeds(
            [cell_of([result for result in alike if result.run == run.label], score) for run in group.runs]
        )
        for column, group in columns.items()
    }
    row = Row({}, setting, score, cells)
    return replace(row, label="", score=row_name(first.benchmark, row))
