"""Checks before a sweep runs: its folder, its keys, every configuration, and agreement with runs in the folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.report.comparability import flat
from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.spec import Spec
from frozenvl.sweep.state import RECORD, is_sweep, place_of, read_record
from frozenvl.util.errors import UserError
from frozenvl.util.files import write_atomically, write_once
from frozenvl.util.parser_messages import nearest, unknown_key

Parse = Callable[[Sequence[str]], dict[str, Any]]
"""Function from arguments of `frozenvl fit` to the nested configuration."""


def open_sweep(spec: Spec, options: Mapping[str, Any], parser: Callable[[], Parse]) -> int:
    """Checks a sweep and records it in its folder.

    Args:
        spec: specification of the sweep.
        options: settings of this machine: dotted key → value.
        parser: function that makes the parser of configurations; called only if there are new points.

    Returns:
        The batch size of the base configuration.

    Raises:
        UserError: if anything of the sweep cannot work.
    """
    for key in options:
        if key in spec.keys or key in spec.limits(1):
            raise UserError(f"--set {key}: the sweep itself sets it; --set is for what is a machine's own")
    folder = spec.folder
    before = read_record(folder) if is_sweep(folder) else {}
    if not before and any((folder / name).exists() for name in ("config.yaml", "checkpoints")):
        raise UserError(f"{folder}: holds a run, not a sweep; give the sweep another name")
    meaning = meaning_of(spec)
    if before:
        refuse_another(folder, before["meaning"], meaning)
    checked, batch_size = set(before.get("checked", ())), before.get("batch_size")
    new_points = [point for point in spec.all_points if point.key not in checked]
    if new_points or batch_size is None:
        batch_size = check_points(spec, new_points, options, parser())
    points_of = lambda arm: [asdict(point) for point in spec.all_points if point.arm == arm]
    arms = [{"name": arm, "points": points_of(arm)} for arm in spec.arms]
    text = as_yaml(
        {
            "spec": asdict(spec) | {"storage": "", "arms": arms},  # a storage's URL may hold a password
            "meaning": meaning,
            "batch_size": batch_size,
            "checked": sorted(checked | {point.key for point in new_points}),
        }
    )
    if before and text != as_yaml(before):
        write_atomically(folder / RECORD, text)
    elif not before and not write_once(folder / RECORD, text):
        return open_sweep(spec, options, parser)  # another process was faster: check against its record
    return int(batch_size)


def as_yaml(content: Any) -> str:
    """Returns content as YAML, in the order of its keys."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def meaning_of(spec: Spec) -> dict[str, Any]:
    """Returns the settings that all runs of a sweep depend on, as YAML has them. Sweeps that differ in them cannot
    share a folder.

    Raises:
        UserError: if a configuration file is not YAML.
    """
    from omegaconf import OmegaConf

    config: dict[str, Any] = {}
    for file in spec.config:
        try:
            content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
            config |= flat(content)
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise UserError(f"config {file}: not YAML ({' '.join(str(error).split())[:200]})") from None
    meaning: dict[str, Any] = {"config": config, "budget": next(iter(spec.budget.items()), None)}
    meaning |= {"validate": spec.validate, "set": spec.set, "pruner": spec.pruner}
    meaning |= {f"arms.{name}.set": arm.set for name, arm in spec.arms.items() if name}
    if spec.search:
        meaning["search"] = {key: asdict(drawn) for key, drawn in spec.search.items()}
        meaning |= {key: getattr(spec, key) for key in ("sampler", "metric", "direction")}
    return yaml.safe_load(as_yaml(meaning))  # with lists in place of tuples


def refuse_another(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `UserError` if the runs in a folder belong to a sweep with another meaning (`meaning_of`)."""

    def arm(key: str) -> str:
        return key.partition(".set")[0] if key.startswith("arms.") else ""

    old, new = dict(flat(before)), dict(flat(now))
    shared_arms = {arm(key) for key in before} & {arm(key) for key in now}  # arms may be added and removed
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key) and (not arm(key) or arm(key) in shared_arms):
            was, is_now = (repr(values[key]) if key in values else "nothing" for values in (old, new))
            raise UserError(
                f"{folder}: two sweeps in one folder: the runs there have {key} = {was}, this one has {is_now}; "
                "give it another name, or put that back"
            )


def check_points(spec: Spec, points: Sequence[Point], options: Mapping[str, Any], parse: Parse) -> int:
    """Parses the configuration of every point, which builds nothing; returns the batch size of the base configuration.

    Raises:
        UserError: if a configuration cannot work.
    """
    # A search has no points yet: one is made up, by which its keys are checked.
    possible = {key: [*drawn.choices, drawn.low][0] for key, drawn in spec.search.items()}
    for point in points or [Point("", possible)]:
        run = SweepRun(point, spec.seeds[0])
        configuration = parse(spec.arguments(run, options, 1))
        for key in spec.settings_of(point.arm) | dict(point.values) | dict(options):
            # jsonargparse takes model.mapper.hidden for model.mapper.init_args.hidden
            if not has(configuration, key):
                raise unknown_key(key, [name for name, _ in flat(configuration)])
        check_callbacks(spec, configuration, run.name)
    base = parse([f"--config={file}" for file in spec.config])
    return int(base["data"]["batch_size"])


def has(content: Any, key: str) -> bool:
    """Returns whether a dotted key leads to a value or a part of nested mappings."""
    first, _, rest = key.partition(".")
    return isinstance(content, Mapping) and first in content and (not rest or has(content[first], rest))


def check_callbacks(spec: Spec, configuration: Mapping[str, Any], run: str) -> None:
    """Raises `UserError` if a run saves no last checkpoint of its own, or its evaluations do not have the metric."""
    callbacks = (configuration.get("trainer") or {}).get("callbacks") or []
    callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    settings = [dict(callback.get("init_args") or {}) for callback in callbacks]
    if not any(setting.get("save_last") and not setting.get("save_weights_only") for setting in settings):
        raise UserError(
            "config keeps no last checkpoint to go on from and to score: give trainer.callbacks a ModelCheckpoint with "
            "save_last: true, and without save_weights_only"
        )
    for setting in settings:
        folder = str(setting.get("dirpath") or "")
        if "save_top_k" in setting and folder and run not in folder:
            raise UserError(
                f"ModelCheckpoint.dirpath is {folder} for all runs of the sweep, which would write over each other's "
                "checkpoints; leave it out, or end it with ${name}"
            )
    names = [setting.get("task") or setting.get("name") for setting in settings]
    tasks = sorted({str(name) for name in names if name})
    unnamed = any("benchmark" in setting and not setting.get("name") for setting in settings)
    evaluation, score = place_of(spec.metric)
    if evaluation != LOSSES and tasks and not unnamed and not evaluation.startswith(tuple(tasks)):
        raise UserError(
            f"metric is {spec.metric}, but the configuration has no evaluation of that name; "
            f"{nearest(evaluation, tasks)}"
        )
    for callback, name in zip(callbacks, names, strict=True):
        if name and evaluation.startswith(str(name)):
            refuse_other_spelling(spec.metric, score, score_names(str(callback.get("class_path"))))


def score_names(class_path: str) -> list[str]:
    """Returns the names of the scores of a callback's class; none if the class or its scores are not known."""
    module, _, name = class_path.rpartition(".")
    kind = getattr(import_module(module), name, None) if module else None
    return [metric.name for metric in getattr(kind, "metrics", ())]


def refuse_other_spelling(metric: str, score: str, names: Sequence[str]) -> None:
    """Raises `UserError` if a score is one of the names with other capitals, hyphens or underscores.

    Other scores may be breakdowns, whose names depend on the data.
    """
    plain = lambda name: re.sub(r"[\W_]", "", name).casefold()
    alike = [name for name in names if plain(name) == plain(score)]
    if alike and score not in names:
        raise UserError(f"metric is {metric}, but its score is spelt {alike[0]}")
