"""Reads what runs left: the scores of their evaluations, their costs, their configurations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from frozenvl.evaluation.score_file import Score, read_score, score_files
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json


@dataclass(frozen=True, kw_only=True)
class Result(Score):
    """A score with its run. The seed of the demonstrations stands beside the setting; a blind run's view is "blind"."""

    run: str
    folder: Path
    """Of the evaluation."""
    seed: int | None


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    label: str
    folder: Path
    results: tuple[Result, ...]
    cost: dict[str, float]
    """What its fit took, as cost.json has it; empty where there is none."""
    config: dict[str, Any]
    """Its config.yaml; empty where there is none."""


def read_runs(folders: Sequence[Path], only: Sequence[str] = (), views: Sequence[str] = ()) -> list[Run]:
    """The runs with their scores; those of which nothing is wanted are left out.

    Args:
        folders: of the runs.
        only: benchmarks that are wanted; all, if empty.
        views: views that are wanted; all, if empty.

    Raises:
        UserError: a run that is named twice, has no scores, or has a score.json that is none; or nothing is wanted.
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
    for wanted, there, what in (
        (only, {result.benchmark for result in results}, "benchmark"),
        (views, {result.view for result in results}, "view"),
    ):
        if unknown := [name for name in wanted if name not in there]:
            raise UserError(f"no scores of {what} {unknown[0]!r}; there are {', '.join(sorted(there))}")
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
    results = _told_apart(_once([_read_result(label, file) for file in files]))
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
        return dict(content)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not a run's configuration ({' '.join(str(error).split())[:200]})") from None


def _read_result(run: str, file: Path) -> Result:
    score = read_score(file)
    setting = {key: value for key, value in score.setting.items() if key != "seed"}
    drawn = setting.get("demonstrations") != "rices"  # the most similar ones are not drawn
    own = {
        "run": run,
        "folder": file.parent,
        "setting": setting,
        "seed": score.setting.get("seed") if drawn else None,
        "view": "blind" if score.view == "seeing" and score.provenance.get("blind") else score.view,
    }
    return Result(**vars(score) | own)


def same_setting(result: Result) -> tuple[Any, ...]:
    """Equal for results that differ in run, view and seed only."""
    return (result.benchmark, *sorted((key, repr(value)) for key, value in result.setting.items()))


def _once(results: list[Result]) -> list[Result]:
    """Of the same predictions, kept under two names, those that were scored last."""
    last: dict[Any, Result] = {}
    for result in results:
        same = (same_setting(result), result.view, result.seed, result.fingerprint or result.name)
        known = last.get(same)
        if known is None or _written(known) <= _written(result):
            last[same] = result
    return [result for result in results if any(result is kept for kept in last.values())]


def _written(result: Result) -> float:
    return (result.folder / "score.json").stat().st_mtime


def _told_apart(results: list[Result]) -> list[Result]:
    """Two scores of the same setting, view and seed are no two draws: their names become part of the setting."""
    times = Counter((same_setting(result), result.view, result.seed) for result in results)
    return [
        result
        if times[same_setting(result), result.view, result.seed] == 1
        else replace(result, setting=result.setting | {"evaluation": result.name})
        for result in results
    ]


def _seeds_apart(runs: Sequence[Run]) -> list[Run]:
    """Rows are of the same seeds: where runs, or views, have unlike ones, those seeds become part of the setting."""
    having: dict[Any, dict[int | None, set[tuple[str, str]]]] = {}
    for result in (result for run in runs for result in run.results):
        seeds = having.setdefault(same_setting(result), {})
        seeds.setdefault(result.seed, set()).add((result.run, result.view))

    def apart(result: Result) -> Result:
        seeds = having[same_setting(result)]
        alike = [seed for seed, who in seeds.items() if who == seeds[result.seed]]
        if len(alike) == len(seeds):
            return result
        told = ", ".join("unknown" if seed is None else str(seed) for seed in sorted(alike, key=_by_number))
        return replace(result, setting=result.setting | {"seeds": told})

    return [replace(run, results=tuple(map(apart, run.results))) for run in runs]


def _by_number(seed: int | None) -> float:
    return -math.inf if seed is None else seed
