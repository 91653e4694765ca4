"""Groups of runs that differ only in their seed, and means of their scores and costs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from statistics import fmean, stdev
from typing import Any

from frozenvl.report.cell import Cell
from frozenvl.report.load import Run

OWN = ("name", "seed_everything", "ckpt_path", "overwrite", "config")
"""Keys of a configuration in which repetitions of a run may differ; also `model.seed`, `data.seed` and the folder."""
STUDENT: tuple[float, ...] = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom."""


@dataclass(frozen=True)
class Group:
    """A run, or several that differ only in their seed."""

    label: str
    """Name of the column: the common beginning of the runs' names."""
    runs: tuple[Run, ...]


def by_seed(runs: Sequence[Run]) -> list[Group]:
    """Groups runs whose configurations differ only in their seed, in the order of each group's first run.

    Runs with equal seeds, and runs without a config.yaml, are groups of one.
    """
    by_config: dict[Any, list[Run]] = {}
    for run in runs:
        by_config.setdefault(repr(_without_seed(run.config)) if run.config else run.label, []).append(run)
    groups = []
    for alike in by_config.values():
        seeds = {repr(_seeds(run.config)) for run in alike}
        groups += [alike] if len(seeds) == len(alike) else [[run] for run in alike]
    labels = [_label([run.label for run in group]) for group in groups]
    return [
        Group(label if labels.count(label) == 1 else ", ".join(run.label for run in group), tuple(group))
        for label, group in zip(labels, groups, strict=True)
    ]


def over_seeds(values: Sequence[Cell]) -> Cell:
    """Returns the mean over runs with its 95 % interval by Student's t.

    If fewer than two different values are known, returns the first known cell as it is, or an empty one.

    Args:
        values: one cell per run.
    """
    known = [cell for cell in values if cell.mean is not None]
    means = [cell.mean or 0.0 for cell in known]
    if len(set(means)) < 2:
        return known[0] if known else Cell()
    mean, deviation, freedom = fmean(means), stdev(means), len(means) - 1
    half = (STUDENT[freedom - 1] if freedom <= len(STUDENT) else 1.96) * deviation / math.sqrt(len(means))
    marks = "".join(dict.fromkeys(mark for cell in known for mark in cell.marks))
    return Cell(known[0].digits, mean, mean - half, mean + half, deviation, len(means), marks)


def _without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {k: v for k, v in value.items() if k not in ("seed", "default_root_dir")}
        if isinstance(value, dict)
        else value
        for key, value in config.items()
        if key not in OWN
    }


def _seeds(config: Mapping[str, Any]) -> list[Any]:
    parts = [config.get(part) for part in ("model", "data")]
    return [config.get("seed_everything"), *(part.get("seed") for part in parts if isinstance(part, dict))]


def _label(labels: Sequence[str]) -> str:
    """Returns the common beginning of labels without a trailing "-seed0"; if there is none, all of them."""
    if len(labels) == 1:
        return labels[0]
    prefix = commonprefix(list(labels))  # noqa: RUF071 - of names, not of paths
    return re.sub(r"[-_. ]*(seed)?[-_. ]*\d*$", "", prefix) or ", ".join(labels)
