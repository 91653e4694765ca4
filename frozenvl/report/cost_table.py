"""Table of costs: one score beside parameters, time and memory of training, averaged over seeds."""

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
"""Key of cost.json → title, number of decimals."""
SIZE = COSTS["trained_parameters"][0]
"""Title of the row of trained parameters."""


@dataclass(frozen=True)
class Worth(Table):
    """Table of scores and costs. A column is a run, or the mean of runs that differ only in their seed."""

    metric: str
    """Name of the score."""
    scores: tuple[Row, ...]
    """Rows of the score: one for each evaluation that has it."""
    costs: tuple[Row, ...]
    """Rows of the losses and of cost.json; empty if no run has a cost.json and no column has several runs."""

    @property
    def points(self) -> list[tuple[Row, list[tuple[Column, float, Cell]]]]:
        """Points of the plot for each row of `scores`: a column, its trained parameters, its score."""
        sizes = next((row.cells for row in self.costs if row.score == SIZE), {})
        points_of = []
        for row in self.scores:
            points = [
                (column, sizes[column].mean or 0.0, row.cells[column])
                for column in self.columns
                if sizes.get(column, Cell()).mean and row.cells[column].mean is not None
            ]
            if points:
                points_of.append((row, points))
        return points_of


def worth(runs: Sequence[Run], metric: str | None = None) -> Worth:
    """Makes the table of a score and the costs of training.

    Args:
        runs: runs to compare.
        metric: name of the score; by default the first benchmark's main score, or the loss if there is no benchmark.

    Raises:
        UserError: if no run has such a score.
    """
    results = [result for run in runs for result in run.results]
    as_trained = [result for result in results if result.view in ("seeing", "blind")] or results
    names = list(dict.fromkeys(score for result in as_trained for score in result.scores))
    chosen = metric or min(as_trained, key=lambda result: result.benchmark == LOSSES).main
    if chosen not in names:
        raise UserError(f"no run has a score {chosen!r}; there are {', '.join(names)}")
    groups = by_seed(runs)
    columns = {Column("run", group.label): group for group in groups}
    scored = [result for result in as_trained if chosen in result.scores]
    scores = [_score_row(alike, scored, chosen, columns) for alike in by_setting(scored)]
    losses = [result for result in as_trained if result.benchmark == LOSSES and result.main != chosen]
    costs = [_score_row(alike, losses, alike[0].main, columns) for alike in by_setting(losses)]
    for key, (title, digits) in COSTS.items():
        cells = {
            column: over_seeds([Cell(digits, run.cost.get(key)) for run in group.runs])
            for column, group in columns.items()
        }
        if any(cell.mean is not None for cell in cells.values()):
            costs.append(Row({}, "", title, cells))
    several_seeds = any(len(group.runs) > 1 for group in groups)
    notes = [*marks_in([*scored, *losses])]
    if several_seeds:
        notes.append(
            "± standard deviation over runs that differ only in their seed; the 95 % interval of their mean is by "
            "Student's t"
        )
    if not several_seeds and not any(run.cost for run in runs):
        costs = []
    title = f"{chosen} against {SIZE} and the cost of training"
    rows = (*scores, *costs)
    return Worth("cost", title, "", tuple(columns), rows, tuple(notes), chosen, tuple(scores), tuple(costs))


def _score_row(
    alike: Sequence[Result], results: Sequence[Result], score: str, columns: dict[Column, Group]
) -> Row:
    """Returns the row of a score at one setting, named by `row_name`.

    Args:
        alike: results at the setting.
        results: results at all settings, which decide what the name has to say of the setting.
        score: name of the score.
        columns: runs of each column.
    """
    first = alike[0]
    settings = by_setting([result for result in results if result.benchmark == first.benchmark])
    setting = (
        words(first.setting, shared([group[0].setting for group in settings])) if len(settings) > 1 else ""
    )
    cells = {
        column: over_seeds(
            [cell_of([result for result in alike if result.run == run.label], score) for run in group.runs]
        )
        for column, group in columns.items()
    }
    row = Row({}, setting, score, cells)
    return replace(row, label="", score=row_name(first.benchmark, row))
