"""Table of costs: one score beside parameters, time and memory of training, averaged over seeds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.report.cell import Cell, over_seeds
from frozenvl.report.comparability import flat
from frozenvl.report.load import Run
from frozenvl.report.tables import Column, Row, Table, benchmark_tables, marks_in, row_name
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
SEEDS = ("seed_everything", "model.seed", "data.seed")
"""Dotted keys of a configuration that hold its seeds."""
OWN = ("name", "ckpt_path", "overwrite", "config", "trainer.default_root_dir")
"""Other dotted keys of a configuration in which repetitions of a run may differ."""


@dataclass(frozen=True)
class Worth(Table):
    """Table of scores and costs. A column is a run, or the mean of runs that differ only in their seed."""

    scores: tuple[Row, ...]
    """Rows of the score: one for each evaluation that has it."""
    costs: tuple[Row, ...]
    """Rows of the losses and of cost.json; empty if no run has a cost.json and no column has several runs."""


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
    columns = {Column("run", label): group for label, group in by_seed(runs).items()}
    scores, costs = [], []
    trained = [replace(run, results=tuple(x for x in as_trained if x.run == run.label)) for run in runs]
    for table in benchmark_tables(trained, every=True):
        for row in table.rows:
            cells = {column.name: cell for column, cell in row.cells.items() if column.kind == "run"}
            name = row_name(table.benchmark, row.score, row.label)
            if row.score == chosen:
                scores.append(_over_seeds(name, cells, columns))
            elif table.benchmark == LOSSES and row.score == table.main:
                costs.append(_over_seeds(name, cells, columns))
    for key, (title, digits) in COSTS.items():
        if any(key in run.cost for run in runs):
            cells = {run.label: Cell(digits, run.cost.get(key)) for run in runs}
            costs.append(_over_seeds(title, cells, columns))
    notes = list(marks_in([x for x in as_trained if chosen in x.scores or x.benchmark == LOSSES]))
    if len(columns) < len(runs):
        notes.append(
            "± standard deviation over runs that differ only in their seed; the 95 % interval of their mean is by "
            "Student's t"
        )
    elif not any(run.cost for run in runs):
        costs = []
    title = f"{chosen} against {SIZE} and the cost of training"
    rows = (*scores, *costs)
    return Worth("cost", title, "", tuple(columns), rows, tuple(notes), tuple(scores), tuple(costs))


def _over_seeds(name: str, cells: dict[str, Cell], columns: dict[Column, list[Run]]) -> Row:
    """Returns a row with the means over the runs of each column; `cells` has the label of a run → its cell."""
    cells_of = {column: [cells.get(run.label, Cell()) for run in group] for column, group in columns.items()}
    return Row({}, "", name, {column: over_seeds(repeats) for column, repeats in cells_of.items()})


def by_seed(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Groups runs whose configurations differ only in their seed, in the order of each group's first run.

    Runs with equal seeds, and runs without a config.yaml, are groups of one.

    Returns:
        Name of the column, which is the common beginning of the runs' names → runs.
    """
    alike, seeds = defaultdict(list), {}
    for run in runs:
        config = dict(flat(run.config))
        seeds[run.label] = repr([config.pop(key, None) for key in SEEDS])
        rest = repr({key: value for key, value in config.items() if key not in OWN})
        alike[rest if run.config else run.label].append(run)
    groups = []
    for group in alike.values():
        differ = len({seeds[run.label] for run in group}) == len(group)
        groups += [group] if differ else [[run] for run in group]
    labels = [_label([run.label for run in group]) for group in groups]
    return {
        label if labels.count(label) == 1 else ", ".join(run.label for run in group): group
        for label, group in zip(labels, groups, strict=True)
    }


def _label(labels: list[str]) -> str:
    """Returns the common beginning of labels without a trailing "-seed0"; if there is none, all of them."""
    if len(labels) == 1:
        return labels[0]
    prefix = commonprefix(labels)  # noqa: RUF071 - of names, not of paths
    return re.sub(r"[-_. ]*(seed)?[-_. ]*\d*$", "", prefix) or ", ".join(labels)
