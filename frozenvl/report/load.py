"""Reads the folders of runs: the scores of their evaluations, their costs and their configurations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from frozenvl.evaluation.score_file import Score, read_score, score_files
from frozenvl.util.config_text import unescaped
from frozenvl.util.errors import UserError


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
    """Reads runs with their scores; leaves out runs without a score of the wanted benchmarks (`only`) and `views`.

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
    benchmarks, all_views = {result.benchmark for result in results}, {result.view for result in results}
    for wanted, present, what in ((only, benchmarks, "benchmark"), (views, all_views, "view")):
        if unknown := [name for name in wanted if name not in present]:
            raise UserError(f"no scores of {what} {unknown[0]!r}; there are {', '.join(sorted(present))}")
    kept = [result for result in results if result.benchmark in (only or benchmarks)]
    kept = [result for result in kept if result.view in (views or all_views)]
    if not kept:
        raise UserError(f"no scores of {', '.join(only)} in the view {', '.join(views)}")
    runs = [replace(run, results=tuple(x for x in kept if x.run == run.label)) for run in runs]
    return [run for run in runs if run.results]


def _read_run(label: str, folder: Path) -> Run:
    results = [_read_result(label, file) for file in score_files(folder)]
    if not results:
        raise UserError(
            f"{folder}: no scores there (looked for {folder}/evaluation/*/score.json); validate it first"
        )
    cost = _read_mapping(folder / "cost.json", "a cost.json", float)
    config = _read_mapping(folder / "config.yaml", "a run's configuration", unescaped)
    return Run(label, folder, tuple(_told_apart(results)), cost, config)


def _read_mapping(file: Path, what: str, convert: Callable[[Any], Any]) -> dict[str, Any]:
    """Reads the values of a JSON or YAML file, without those that are null; empty if there is no such file."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return {key: convert(value) for key, value in content.items() if value is not None}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{file}: not {what} ({reason}); remove it, or fit the run again") from None


def _read_result(run: str, file: Path) -> Result:
    score = read_score(file)
    setting = dict(score.setting)
    seed = setting.pop("seed", None)
    if setting.get("demonstrations") == "rices":  # RICES retrieves the most similar ones
        seed = None
    view = "blind" if score.view == "seeing" and score.provenance.get("blind") else score.view
    return Result(**vars(score) | {"setting": setting, "view": view}, run=run, folder=file.parent, seed=seed)


def same_setting(score: Score) -> tuple[Any, ...]:
    """Returns a key that is equal for scores of one benchmark and setting; a `Result` has no seed in its setting."""
    return (score.benchmark, *sorted((key, repr(value)) for key, value in score.setting.items()))


def _told_apart(results: Sequence[Result]) -> list[Result]:
    """Leaves out all but the newest evaluation of the same predictions, and names evaluations that otherwise agree.

    Results of one setting, view and seed would be averaged as if they were different seeds.
    """
    place = lambda result: (same_setting(result), result.view, result.seed)
    predictions = lambda result: (place(result), result.fingerprint or result.name)
    by_age = sorted(results, key=lambda result: (result.folder / "score.json").stat().st_mtime)
    newest = {predictions(result): result for result in by_age}
    results = [result for result in results if newest[predictions(result)] is result]
    times = Counter(map(place, results))
    named = lambda result: replace(result, setting=result.setting | {"evaluation": result.name})
    return [result if times[place(result)] == 1 else named(result) for result in results]


def _seeds_apart(runs: Sequence[Run]) -> list[Run]:
    """Adds the seeds to the setting where runs or views have different ones, so that a row compares the same seeds."""
    columns_of: dict[Any, dict[int | None, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for result in (result for run in runs for result in run.results):
        columns_of[same_setting(result)][result.seed].add((result.run, result.view))

    def apart(result: Result) -> Result:
        columns = columns_of[same_setting(result)]
        alike = [seed for seed in columns if columns[seed] == columns[result.seed]]
        if len(alike) == len(columns):
            return result
        in_order = sorted(alike, key=lambda seed: (seed is not None, seed))
        text = ", ".join("unknown" if seed is None else str(seed) for seed in in_order)
        return replace(result, setting=result.setting | {"seeds": text})

    return [replace(run, results=tuple(map(apart, run.results))) for run in runs]
