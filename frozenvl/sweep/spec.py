"""A sweep as a person writes it in YAML: read, checked, and compared with what the sweep's folder holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.sweep.grid import Point, Run, grid
from frozenvl.util.errors import UserError

KEYS = (
    *("name", "about", "config", "set", "arms", "grid", "points", "search", "sampler", "trials", "pruner"),
    *("seeds", "budget", "metric", "direction", "validate", "storage"),
)
ARM_KEYS = ("set", "grid", "points")
RESERVED = {
    "seed_everything": "list seeds below `seeds`",
    "name": "each run of a sweep is named after its point",
    "config": "name it below `config`",
    "ckpt_path": "a sweep goes on by itself",
    "overwrite": "remove the run's folder to have it again",
    "trainer.default_root_dir": "runs of a sweep lie in its folder",
}
"""Keys of a configuration that a sweep sets itself."""
BUDGETS = ("pairs", "steps", "minutes")
SAMPLERS = ("random", "tpe")
PRUNERS = ("median", "halving", "hyperband")


@dataclass(frozen=True)
class Range:
    """A distribution of Optuna's: numbers from `low` to `high`, or one of `choices`."""

    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Arm:
    """Points that share what is set, drawn as one line."""

    name: str
    fixed: Mapping[str, Any]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Spec:
    """What a sweep is to run."""

    name: str
    about: str
    config: tuple[str, ...]
    fixed: Mapping[str, Any]
    """`set`: dotted key → value."""
    arms: tuple[Arm, ...]
    search: Mapping[str, Range]
    sampler: str
    trials: int
    pruner: str
    seeds: tuple[int, ...]
    budget: tuple[str, float] | None
    metric: str
    direction: Literal["maximize", "minimize"]
    validate: float | int
    """`trainer.limit_val_batches` of the validation that ends a trial."""
    storage: str = field(repr=False)
    """Optuna's storage: a database's URL, or a file; empty: in the sweep's folder."""

    @property
    def folder(self) -> Path:
        return Path("runs") / self.name

    @property
    def runs(self) -> list[Run]:
        """All that is known beforehand, seed by seed: early on there is something of each point."""
        points = [point for arm in self.arms for point in arm.points]
        return [Run(point, seed) for seed in self.seeds for point in points]

    @property
    def swept(self) -> list[str]:
        """Keys that vary."""
        points = [point for arm in self.arms for point in arm.points]
        return list(dict.fromkeys([*self.search, *(key for point in points for key in point.values)]))

    def fixed_of(self, arm: str) -> dict[str, Any]:
        """What is set for an arm."""
        return dict(self.fixed) | next((dict(own.fixed) for own in self.arms if own.name == arm), {})


def read_spec(path: Path) -> Spec:
    """Reads and checks what can be checked without the code that is to run.

    Raises:
        UserError: whatever is wrong with it, in one line.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not path.is_file():
        raise UserError(f"{path}: no such sweep; name a YAML file (docs/sweeps.md tells what stands in it)")
    try:
        loaded = OmegaConf.load(path)
        content = OmegaConf.to_container(loaded, resolve=False)
        storage = (
            OmegaConf.select(loaded, "storage") if isinstance(content, dict) else None
        )  # may name ${oc.env:…}
        return _spec(path, content, str(storage or ""))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())[:300]}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _spec(path: Path, content: Any, storage: str) -> Spec:
    if not isinstance(content, dict):
        raise UserError("a sweep is a mapping of keys, such as config, grid, seeds, metric")
    _known(content, KEYS, "")
    for key in ("config", "metric"):
        if not content.get(key):
            raise UserError(f"{key} is missing; docs/sweeps.md tells what stands there")
    named = content["config"]
    config = named if isinstance(named, list) else [named]
    for file in config:
        if not isinstance(file, str):
            raise UserError(f"config is {named!r}; name a YAML file, or list some")
        if not Path(file).is_file():
            raise UserError(f"config names {file}, which is not there (seen from {Path.cwd()})")
    search = {key: _range(key, value) for key, value in _mapping(content, "search").items()}
    arms = _arms(content)
    _check_keys([*_mapping(content, "set"), *search, *(key for arm in arms for key in arm.fixed)])
    _check_keys([key for arm in arms for point in arm.points for key in point.values])
    metric = str(content["metric"])
    if not re.fullmatch(r"[^/]+/.+", metric):
        raise UserError(f"metric is {metric!r}; write EVALUATION/SCORE as in history.jsonl")
    losses = metric.startswith(("val/", f"{LOSSES}/"))
    direction: Any = content.get("direction") or ("minimize" if losses else "maximize")
    _one_of("direction", direction, ("maximize", "minimize"))
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise UserError(f"seeds is {seeds!r}; list whole numbers: [0, 1, 2]")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds names {next(s for s in seeds if seeds.count(s) > 1)} twice")
    validate = content.get("validate", 1.0)
    if type(validate) not in (int, float) or validate <= 0 or (isinstance(validate, float) and validate > 1):
        raise UserError(
            f"validate is {validate!r}; give a share of the validation, up to 1.0, or a number of batches"
        )
    spec = Spec(
        name=str(content.get("name") or path.stem),
        about=str(content.get("about") or ""),
        config=tuple(map(str, config)),
        fixed=_mapping(content, "set"),
        arms=tuple(arms),
        search=search,
        sampler=str(content.get("sampler") or "tpe"),
        trials=content.get("trials") or 0,
        pruner=str(content.get("pruner") or ""),
        seeds=tuple(seeds),
        budget=_budget(content.get("budget")),
        metric=metric,
        direction=direction,
        validate=validate,
        storage=storage,
    )
    _check_search(spec, content)
    return spec


def _arms(content: dict[str, Any]) -> list[Arm]:
    if content.get("search"):
        if others := [key for key in ("grid", "points", "arms") if content.get(key)]:
            raise UserError(f"search and {others[0]} do not go together; make two sweeps of them")
        return []
    if not content.get("arms"):
        return [Arm("", {}, _points("", content, ""))]
    arms = []
    for name, own in _mapping(content, "arms").items():
        where = f"arms.{name}."
        own = own or {}
        if not isinstance(own, dict):
            raise UserError(f"arms.{name} is {own!r}; write {{set: …, grid: …}} or {{points: …}}")
        _known(own, ARM_KEYS, where)
        having = own if own.get("grid") is not None or own.get("points") is not None else content
        arms.append(Arm(str(name), _mapping(own, "set", where), _points(str(name), having, where)))
    return arms


def _points(arm: str, content: Mapping[str, Any], where: str) -> tuple[Point, ...]:
    lists, listed = content.get("grid"), content.get("points")
    if lists is not None and listed is not None:
        raise UserError(f"{where}grid and {where}points do not go together; keep one, or give each an arm")
    if listed is not None:
        if not isinstance(listed, list) or not listed or not all(isinstance(p, dict) and p for p in listed):
            raise UserError(f"{where}points is a list of mappings: [{{model.k: 1, model.lr: 0.1}}, …]")
        values = listed
    elif isinstance(lists, dict) and lists:
        for key, choices in lists.items():
            if not isinstance(choices, list) or not choices:
                raise UserError(f"{where}grid.{key} is {choices!r}; list the values to run")
        values = grid(lists)
    else:
        raise UserError(
            f"{where}grid has nothing to run; write grid: {{model.k: [1, 2, 4]}}, points or search"
        )
    points = tuple(Point(arm, point) for point in values)
    keys = [point.key for point in points]
    if twice := [point for point in points if keys.count(point.key) > 1]:
        raise UserError(f"{where or 'the sweep '}lists {twice[0].label} twice")
    return points


def _range(key: str, value: Any) -> Range:
    if isinstance(value, list) and value:
        if odd := [choice for choice in value if not isinstance(choice, str | int | float | None)]:
            raise UserError(
                f"search.{key} has {odd[0]!r}; Optuna chooses among numbers, texts, true and false"
            )
        return Range(choices=tuple(value))
    if not isinstance(value, dict) or not {"low", "high"} <= value.keys():
        raise UserError(f"search.{key} is {value!r}; write {{low: 1e-4, high: 1e-2, log: true}} or a list")
    _known(value, ("low", "high", "log"), f"search.{key}.")
    low, high, log = value["low"], value["high"], bool(value.get("log", False))
    if not all(isinstance(end, int | float) for end in (low, high)) or not low < high or (log and low <= 0):
        raise UserError(
            f"search.{key} goes from {low!r} to {high!r}; low < high" + (", above 0" if log else "")
        )
    return Range(low, high, log)


def _budget(value: Any) -> tuple[str, float] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) != 1:
        raise UserError(f"budget is {value!r}; write one of {{pairs: 3840}}, {{steps: 60}}, {{minutes: 5}}")
    _known(value, BUDGETS, "budget.")
    ((kind, amount),) = value.items()
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
        raise UserError(f"budget.{kind} is {amount!r}; give a number above 0")
    return str(kind), amount


def _check_search(spec: Spec, content: Mapping[str, Any]) -> None:
    _one_of("sampler", spec.sampler, SAMPLERS)
    if spec.pruner:
        _one_of("pruner", spec.pruner, PRUNERS)
        if len(spec.seeds) > 1 and spec.search:
            raise UserError(
                "a pruner looks at one run a trial; search with one seed, and repeat the best with more"
            )
    if not spec.search:
        if needless := [key for key in ("sampler", "trials") if content.get(key)]:
            raise UserError(f"{needless[0]} belongs to search; a grid runs all of its points")
        return
    if isinstance(spec.trials, bool) or not isinstance(spec.trials, int) or spec.trials < 1:
        raise UserError("search needs trials: how many points to try, such as trials: 20")


def _check_keys(keys: Sequence[str]) -> None:
    for key in keys:
        if key in RESERVED:
            raise UserError(f"{key} is not for a sweep to set; {RESERVED[key]}")


def _mapping(content: Mapping[str, Any], key: str, where: str = "") -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise UserError(f"{where}{key} is {value!r}; write a mapping of dotted keys: {{model.k: …}}")
    return {str(name): inner for name, inner in value.items()}


def _known(content: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in content:
        if key not in known:
            raise UserError(f"{where}{key}: no such key; {nearest(str(key), known)}")


def _one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UserError(f"{key} is {value!r}; {nearest(value, known)}")


def nearest(word: str, known: Sequence[str]) -> str:
    """What may have been meant."""
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
