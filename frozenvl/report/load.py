"""What the evaluations of runs left, read as it stands on disk. Files of older versions lack some of it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json

SHOTS = re.compile(r"-(\d+)shot$")
"""How names of evaluations ended before settings were recorded."""


@dataclass(frozen=True)
class Result:
    """One score.json."""

    run: str
    folder: Path
    """Of the evaluation."""
    name: str
    benchmark: str
    protocol: str
    main: str
    """The score that stands for the others."""
    setting: dict[str, Any]
    """Shots, ways, induction …, without the seed of the demonstrations."""
    seed: int | None
    view: str
    """What was shown of the images."""
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    """Of 95 %: score → (low, high)."""
    baselines: dict[str, float]
    supervised_encoder: str
    samples: int | None
    of: int | None
    partial: bool
    unreadable: int
    step: int | None
    fingerprint: str
    """Of all that the predictions depend on; empty where that was not recorded."""
    circumstances: dict[str, Any]


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
    kept = [
        replace(
            run,
            results=tuple(
                result
                for result in run.results
                if (not only or result.benchmark in only) and (not views or result.view in views)
            ),
        )
        for run in runs
    ]
    if not any(run.results for run in kept):
        raise UserError(f"no scores of {', '.join(only)} in the view {', '.join(views)}")
    return [run for run in kept if run.results]


def _read_run(label: str, folder: Path) -> Run:
    files = sorted(folder.glob("evaluation/*/score.json"))
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
    content = read_json(file)
    try:
        return _result(run, file.parent, content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"missing {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{file}: not a score.json ({what}); evaluate the run again") from None


def _result(run: str, folder: Path, content: dict[str, Any]) -> Result:
    scores = {str(key): float(value) for key, value in content["scores"].items()}
    if not scores:
        raise ValueError("it has no scores")
    circumstances = dict(content.get("circumstances", {}))
    setting = dict(content["setting"]) if "setting" in content else _older_setting(circumstances)
    seed = setting.pop("seed", None)
    name = str(content.get("name", folder.name))
    view = str(content.get("view", "seeing"))
    if view == "seeing" and circumstances.get("blind"):  # a blind run's own view is black
        view = "blind"
    return Result(
        run=run,
        folder=folder,
        name=name,
        benchmark=str(content.get("benchmark") or SHOTS.sub("", name)),
        protocol=str(content.get("protocol", "captions" if "CIDEr" in scores else "vqa")),
        main=_main(content, scores),
        # The most similar ones are not drawn.
        seed=None if setting.get("demonstrations") == "rices" else seed,
        setting=setting,
        view=view,
        scores=scores,
        intervals={k: (float(low), float(high)) for k, (low, high) in content.get("intervals", {}).items()},
        baselines={str(key): float(value) for key, value in content.get("baselines", {}).items()},
        supervised_encoder=str(content.get("supervised_encoder") or ""),
        samples=content.get("samples"),
        of=content.get("of"),
        partial=bool(content.get("partial", False)),
        unreadable=int(content.get("unreadable", 0)),
        step=content.get("step"),
        fingerprint=str(content.get("fingerprint") or ""),
        circumstances=circumstances,
    )


def _main(content: dict[str, Any], scores: dict[str, float]) -> str:
    main = content.get("main")
    if main is None:
        return next((key for key in ("CIDEr", "overall") if key in scores), next(iter(scores)))
    if main not in scores:
        raise ValueError(f"its main score {main!r} is not among its scores")
    return str(main)


def _older_setting(circumstances: dict[str, Any]) -> dict[str, Any]:
    shots, demonstrations = circumstances.get("shots"), circumstances.get("demonstrations")
    if shots is None:
        return {}
    if not shots or not isinstance(demonstrations, dict):
        return {"shots": shots}
    drawn = str(demonstrations.get("drawn", "per question")).replace(" ", "_")
    return {"shots": shots, "demonstrations": drawn, "seed": demonstrations.get("seed")}


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
