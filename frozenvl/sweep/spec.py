"""Specification of a sweep: dataclasses that jsonargparse fills from YAML, and checks that types cannot express."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar

from jsonargparse import ArgumentError, ArgumentParser

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.util.errors import UserError
from frozenvl.util.null_values import nulls_of
from frozenvl.util.parser_messages import nearest

RESERVED = {
    "seed_everything": "list seeds below `seeds`",
    "name": "each run of a sweep is named after its point",
    "config": "name it below `config`",
    "ckpt_path": "a sweep goes on by itself",
    "overwrite": "remove the run's folder to have it again",
    "trainer.default_root_dir": "runs of a sweep lie in its folder",
}
"""Keys of a configuration that a sweep sets itself → what to do instead."""
CLASHES = (("search", "grid"), ("search", "points"), ("search", "arms"), ("grid", "points"))
"""Pairs of keys that exclude each other."""
T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Values of a key from which a search draws: numbers between two bounds, or a list of choices.

    Args:
        low: the lowest number
        high: a number above low; with log, low is above 0
        log: true to draw evenly on a logarithmic scale
        choices: a list of numbers, texts, true, false and null to choose from
    """

    low: int | float = 0
    high: int | float = 0
    log: bool = False
    choices: tuple[str | bool | int | float | None, ...] = ()

    def __post_init__(self) -> None:
        ordered = self.low < self.high and (self.low > 0 or not self.log)
        require("high" if self.low or self.high else "choices", bool(self.choices) or ordered)


@dataclass(frozen=True)
class Arm:
    """Points that share settings. Each arm is a line of the plot.

    Args:
        set: a mapping of dotted keys, the same in all runs of the arm: {model.k: 4}
        grid: a mapping of dotted keys to the lists of values to run: {model.k: [1, 2, 4]}
        points: a list of mappings: [{model.k: 1, model.lr: 0.1}, …]
    """

    set: dict = field(default_factory=dict)
    grid: dict[str, list] = field(default_factory=dict)
    points: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        require("points" if self.points else "grid", all(self.values) and bool(self.values))

    @property
    def values(self) -> list[dict[str, Any]]:
        """Values of each point: dotted key → value. In a grid, the last key varies fastest."""
        combinations = product(*self.grid.values())
        return self.points or [dict(zip(self.grid, values, strict=True)) for values in combinations]


@dataclass(frozen=True)
class Spec:
    """Content of a sweep's YAML file.

    Args:
        config: a YAML file, or a list of files that are laid over each other
        metric: EVALUATION/SCORE as in history.jsonl: captions/SCORE
        name: the sweep's folder below runs/
        about: a text for the head of the report
        set: a mapping of dotted keys, the same in all runs: {model.k: 4}
        arms: a mapping of names to {set: …, grid: …} or {points: …}
        grid: a mapping of dotted keys to the lists of values to run: {model.k: [1, 2, 4]}
        points: a list of mappings: [{model.k: 1, model.lr: 0.1}, …]
        search: a mapping of dotted keys to {low: 1e-4, high: 1e-2, log: true} or a list
        sampler: tpe or random
        trials: how many points a search tries: 20
        pruner: median, halving or hyperband
        seeds: a list of different whole numbers: [0, 1, 2]
        budget: one of {pairs: 3840}, {steps: 60}, {minutes: 5}
        direction: maximize or minimize
        validate: a share of the validation, up to 1.0, or a number of batches
        storage: the URL of a database, or a file
    """

    config: list[str]
    metric: str
    name: str
    about: str = ""
    set: dict = field(default_factory=dict)
    arms: dict[str, Arm] = field(default_factory=dict)
    """Arms by name. An arm with neither grid nor points has those of the sweep; a sweep without arms has the arm ""."""
    grid: dict[str, list] = field(default_factory=dict)
    points: list[dict] = field(default_factory=list)
    search: dict[str, Range] = field(default_factory=dict)
    sampler: Literal["tpe", "random"] = "tpe"
    trials: int = 0
    pruner: Literal["", "median", "halving", "hyperband"] = ""
    seeds: tuple[int, ...] = (0,)
    budget: dict[str, int | float] = field(default_factory=dict)
    direction: Literal["maximize", "minimize"] = "maximize"
    validate: int | float = 1.0
    storage: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        require("config", bool(self.config))
        require("metric", bool(re.fullmatch(r"[^/]+/.+", self.metric)))
        require("seeds", 0 < len(self.seeds) == len({*self.seeds}))
        require("validate", self.validate > 0 and (self.validate <= 1 or isinstance(self.validate, int)))
        kind, amount = next(iter(self.budget.items()), ("pairs", 1))
        require("budget", len(self.budget) <= 1 and kind in ("pairs", "steps", "minutes") and amount > 0)
        require("trials", not self.search or self.trials > 0)

    @property
    def folder(self) -> Path:
        """Folder of the sweep, with a folder for each run."""
        return Path("runs") / self.name

    @cached_property
    def all_points(self) -> list[Point]:
        """All points of a grid or a list; empty for a search, which draws its points as it goes."""
        return [Point(name, values) for name, arm in self.arms.items() for values in arm.values]

    @property
    def runs(self) -> list[SweepRun]:
        """Runs of `all_points`: all points with the first seed, then with the next, so that each has a result early."""
        return [SweepRun(point, seed) for seed in self.seeds for point in self.all_points]

    @property
    def run_count(self) -> int:
        """Number of runs of the whole sweep."""
        return (self.trials or len(self.all_points)) * len(self.seeds)

    @property
    def keys(self) -> list[str]:
        """Dotted keys that the specification sets or varies."""
        settings: list[Mapping[str, Any]] = [self.set, self.search, *(arm.set for arm in self.arms.values())]
        settings += [point.values for point in self.all_points]
        return list(dict.fromkeys(key for setting in settings for key in setting))

    def settings_of(self, arm: str) -> dict[str, Any]:
        """Returns the settings that all runs of an arm share: dotted key → value."""
        return self.set | (self.arms[arm].set if arm in self.arms else {})

    def arguments(self, run: SweepRun, options: Mapping[str, Any], batch_size: int) -> list[str]:
        """Returns the arguments of `frozenvl fit` for a run; later ones override earlier ones.

        Args:
            run: point and seed.
            options: settings of this machine: dotted key → value.
            batch_size: pairs per optimiser step, unless the run sets `data.batch_size`.
        """
        settings = self.settings_of(run.point.arm) | dict(run.point.values)
        limits = self.limits(settings.get("data.batch_size", batch_size))
        return [
            *(f"--config={file}" for file in self.config),
            *(argument(key, value) for key, value in (settings | limits | dict(options)).items()),
            f"--name={self.name}/{run.name}",
            f"--seed_everything={run.seed}",
        ]

    def limits(self, batch_size: int) -> dict[str, Any]:
        """Returns the trainer's setting that ends a fit after the budget; empty without a budget."""
        for kind, amount in self.budget.items():
            if kind == "minutes":
                return {"trainer.max_time": {"seconds": round(amount * 60)}}
            steps = round(amount / batch_size) if kind == "pairs" else int(amount)
            return {"trainer.max_steps": max(1, steps)}
        return {}


def argument(key: str, value: Any) -> str:
    """Returns a setting as an argument of `frozenvl fit`: "--KEY=VALUE"."""
    return f"--{key}={value if isinstance(value, str) else json.dumps(value)}"


def read_spec(path: Path) -> Spec:
    """Reads a specification and checks it by itself; `preflight.open_sweep` checks it against the configuration.

    Raises:
        UserError: if anything is wrong with it; the line names the key.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not path.is_file():
        raise UserError(f"{path}: no such sweep; name a YAML file (docs/sweeps.md describes its keys)")
    try:
        loaded = OmegaConf.load(path)
        content: Any = OmegaConf.to_container(loaded, resolve=False)
        if not isinstance(content, dict):
            raise UserError("a sweep is a mapping of keys, such as config, grid, seeds, metric")
        content = {str(key): value for key, value in content.items()}
        name = content.setdefault("name", path.stem)
        content["name"] = name if name is None else str(name)
        if content.get("storage") is not None:  # may name ${oc.env:…}
            content["storage"] = str(OmegaConf.select(loaded, "storage"))
        return spec_of(content)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())[:300]}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def spec_of(content: dict[str, Any]) -> Spec:
    """Makes a specification from the mapping of a YAML file.

    Raises:
        UserError: if a key is unknown, missing, or has a value that cannot work.
    """
    shared = {key: content[key] for key in ("grid", "points") if key in content}
    search = content.get("search")
    arms = content.get("arms") or ({} if search else {"": {}})
    # Each arm and each range is made by itself, so that an error names it. jsonargparse refuses values of other types.
    made: dict[str, Any] = {}
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        entry = {} if arm is None else arm
        if isinstance(entry, dict) and not {"grid", "points"} & entry.keys():
            entry = entry | shared
        made.setdefault("arms", {})[str(name)] = filled(Arm, entry, f"arms.{name}." if name else "")
    for key, value in search.items() if isinstance(search, dict) else ():
        drawn = {"choices": value} if isinstance(value, list) else value
        made.setdefault("search", {})[key] = filled(Range, drawn, f"search.{key}.")
    if isinstance(content.get("config"), str):
        content["config"] = [content["config"]]
    if str(content.get("metric")).startswith(("val/", f"{LOSSES}/")):
        content.setdefault("direction", "minimize")
    spec = filled(Spec, content, **made)
    if not spec.search and (needless := [key for key in ("sampler", "trials") if key in content]):
        raise UserError(f"{needless[0]} belongs to search; a grid runs all of its points")
    if spec.search and spec.pruner and len(spec.seeds) > 1:
        raise UserError(
            "a pruner looks at one run a trial; search with one seed, and repeat the best with more"
        )
    if missing := [file for file in spec.config if not Path(file).is_file()]:
        raise UserError(f"config names {missing[0]}, which is not there (seen from {Path.cwd()})")
    if reserved := [key for key in spec.keys if key in RESERVED]:
        raise UserError(f"{reserved[0]} is not for a sweep to set; {RESERVED[reserved[0]]}")
    keys = [point.key for point in spec.all_points]
    if twice := [point for point in spec.all_points if keys.count(point.key) > 1]:
        raise UserError(f"{twice[0].arm or 'the sweep'} lists {twice[0].label} twice")
    return spec


def require(key: str, holds: bool) -> None:
    """Raises an error that names the key of a value unless the rule for that value holds."""
    if not holds:
        raise ArgumentError(None, key)


def filled(kind: type[T], content: Any, where: str = "", **made: Any) -> T:
    """Makes a dataclass from a mapping.

    An error line ends with the text on the key in the `Args:` of the dataclass: "seeds is []; write a list of ...".

    Args:
        kind: dataclass to make.
        content: mapping of keys to values.
        where: prefix of keys in error lines, such as "arms.small.".
        made: values of fields that are not parsed again.

    Raises:
        UserError: if the mapping has an unknown key, lacks one, or has a value that the key does not allow.
    """
    names = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(content, dict):
        raise UserError(f"{where.rstrip('.')} is {content!r}; write a mapping of {', '.join(names)}")
    for key in content:  # jsonargparse lets an unknown key pass whose value is an empty mapping
        if key not in names:
            raise UserError(f"{where}{key}: no such key; {nearest(str(key), names)}")
    unmade = {key: value for key, value in content.items() if key not in made or value is None}
    for null in nulls_of(kind, unmade, where):
        raise UserError(str(null))
    for one, other in CLASHES:
        if content.get(one) and content.get(other):
            raise UserError(
                f"{where}{one} and {where}{other} do not go together; keep one, or make two sweeps"
            )
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    try:
        plain = {key: value for key, value in content.items() if key not in made}
        return kind(**vars(parser.parse_object(plain)) | made)
    except ArgumentError as error:
        key = next(word for word in re.findall(r"\w+", str(error)) if word in names)
        remedy = next(action.help for action in parser._actions if action.dest == key)
        problem = f"is {content[key]!r}" if key in content else "is missing"
        raise UserError(f"{where}{key} {problem}; write {remedy}") from None
