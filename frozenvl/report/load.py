"""Reads the folders of runs: the scores of their evaluations, their costs and their configurations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from frozenvl.evaluation.score_file import Score, read_score, score_files
from frozenvl.util.config_text import unescaped
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json


@dataclass(frozen=True, kw_only=True)
class Result(Score):
    """A score.json with its run.

    The seed of the demonstrations is a field of its own, not a part of `setting`. The view "seeing" of a model that was
    trained blind is called "blind".
    """

    run: str
    folder: Path
    """Folder of the evaluation."""
    seed: int | None
    """Seed that drew the demonstrations; None where none were drawn."""


@dataclass(frozen=True)
class Run:
    """A run with its evaluations, read from its folder."""

    label: str
    """Name of the folder, or its whole path where two runs have folders of one name."""
    folder: Path
    results: tuple[Result, ...]
    cost: dict[str, float]
    """Content of the fit's cost.json; empty if there is no such file."""
    config: dict[str, Any]
    """Content of config.yaml; empty if there is no such file."""


def read_runs(folders: Sequence[Path], only: Sequence[str] = (), views: Sequence[str] = ()) -> list[Run]:
    """Reads runs with their scores; leaves out runs without a score of the wanted benchmarks and views.

    Args:
        folders: folders of the runs.
        only: names of the wanted benchmarks; empty for all.
        views: names of the wanted views; empty for all.

    Raises:
        UserError: if a run is named twice, has no scores or has a damaged file, or if no score is wanted.
    """
    resolved = [folder.resolve() for folder in folders]
    names = Counter(folder.name for folder in resolved)
    if twice := [folder for folder, times in Counter(resolved).items() if times > 1]:
        raise UserError(f"{twice[0]}: named twice; name each run once")
    runs = [
        _read_run(place.name if names[place.name] == 1 else str(folder), folder)
        for folder, place in zip(folders, resolved, strict=True)
    ]
    return _seeds_apart(_wanted(runs, only, views))


def _wanted(runs: Sequence[Run], only: Sequence[str], views: Sequence[str]) -> list[Run]:
    results = [result for run in runs for result in run.results]
    for wanted, present, what in (
        (only, {result.benchmark for result in results}, "benchmark"),
        (views, {result.view for result in results}, "view"),
    ):
        if unknown := [name for name in wanted if name not in present]:
            raise UserError(f"no scores of {what} {unknown[0]!r}; there are {', '.join(sorted(present))}")
    is_wanted = lambda x: (not only or x.benchmark in only) and (not views or x.view in views)
    kept = [replace(run, results=tuple(filter(is_wanted, run.results))) for run in runs]
    if not any(run.results for run in kept):
        raise UserError(f"no scores of {', '.join(only)} in the view {', '.join(views)}")
    return [run for run in kept if run.results]


def _read_run(label: str, folder: Path) -> Run:
    files = score_files(folder)
    if not files:
        raise UserError(
            f"{folder}: no scores there (looked for {folder}/evaluation/*/score.json); validate it first"
        )
    results = _disambiguated(_without_duplicates([_read_result(label, file) for file in files]))
    return Run(label, folder, tuple(results), _read_cost(folder), _read_config(folder))


def _read_cost(folder: Path) -> dict[str, float]:
    file = folder / "cost.json"
    try:
        content = read_json(file) if file.is_file() else {}
        return {str(key): float(value) for key, value in content.items() if value is not None}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not a cost.json ({error}); remove it, or fit the run again") from None


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return dict(unescaped(content))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not a run's configuration ({' '.join(str(error).split())[:200]})") from None


def _read_result(run: str, file: Path) -> Result:
    score = read_score(file)
    setting = {key: value for key, value in score.setting.items() if key != "seed"}
    drawn = setting.get("demonstrations") != "rices"  # RICES retrieves the most similar ones: no seed
    changes = {
        "run": run,
        "folder": file.parent,
        "setting": setting,
        "seed": score.setting.get("seed") if drawn else None,
        "view": "blind" if score.view == "seeing" and score.provenance.get("blind") else score.view,
    }
    return Result(**vars(score) | changes)


def same_setting(result: Result) -> tuple[Any, ...]:
    """Returns a key that is equal for results that differ only in run, view and seed."""
    return (result.benchmark, *sorted((key, repr(value)) for key, value in result.setting.items()))


def _without_duplicates(results: list[Result]) -> list[Result]:
    """Returns results with unique predictions: of two evaluations of the same predictions the newer one."""
    last: dict[Any, Result] = {}
    for result in results:
        key = (same_setting(result), result.view, result.seed, result.fingerprint or result.name)
        earlier = last.get(key)
        if earlier is None or _written(earlier) <= _written(result):
            last[key] = result
    return [result for result in results if any(result is kept for kept in last.values())]


def _written(result: Result) -> float:
    return (result.folder / "score.json").stat().st_mtime


def _disambiguated(results: list[Result]) -> list[Result]:
    """Adds the name of the evaluation to the setting of results that agree in setting, view and seed.

    Otherwise they would be averaged as if they were different seeds.
    """
    times = Counter((same_setting(result), result.view, result.seed) for result in results)
    return [
        result
        if times[same_setting(result), result.view, result.seed] == 1
        else replace(result, setting=result.setting | {"evaluation": result.name})
        for result in results
    ]


def _seeds_apart(runs: Sequence[Run]) -> list[Run]:
    """Adds the seeds to the setting where runs or views have different ones, so that a row compares the same seeds."""
    seeds_of: dict[Any, dict[int | None, set[tuple[str, str]]]] = {}
    for result in (result for run in runs for result in run.results):
        seeds = seeds_of.setdefault(same_setting(result), {})
        seeds.setdefault(result.seed, set()).add((result.run, result.view))

    def apart(result: Result) -> Result:
        seeds = seeds_of[same_setting(result)]
        alike = [seed for seed, columns in seeds.items() if columns == seeds[result.seed]]
        if len(alike) == len(seeds):
            return result
        text = ", ".join("unknown" if seed is None else str(seed) for seed in sorted(alike, key=_by_number))
        return replace(result, setting=result.setting | {"seeds": text})

    return [replace(run, results=tuple(map(apart, run.results))) for run in runs]


def _by_number(seed: int | None) -> float:
    return -math.inf if seed is None else seed
