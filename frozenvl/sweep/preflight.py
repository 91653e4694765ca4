"""Checks before a sweep runs: its folder, its keys, every configuration, and agreement with runs in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.report.comparability import flat
from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.spec import Spec
from frozenvl.sweep.state import RECORD, is_sweep, place_of, read_record
from frozenvl.sweep.trial import arguments, budget
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
        if key in spec.keys or key in budget(spec, 1):
            raise UserError(f"--set {key}: the sweep itself sets it; --set is for what is a machine's own")
    folder = spec.folder
    recorded = read_record(folder) if is_sweep(folder) else {}
    if not recorded and any((folder / name).exists() for name in ("config.yaml", "checkpoints")):
        raise UserError(f"{folder}: holds a run, not a sweep; give the sweep another name")
    meaning = meaning_of(spec)
    if recorded:
        refuse_another(folder, recorded["meaning"], meaning)
    checked = set(recorded.get("checked", ()))
    unchecked = [point for point in spec.all_points if point.key not in checked]
    batch_size = recorded.get("batch_size")
    if unchecked or batch_size is None:
        batch_size = check_points(spec, unchecked or [one_drawn(spec)], options, parser())
    points = {name: [asdict(point) for point in spec.all_points if point.arm == name] for name in spec.arms}
    arms = [{"name": name, "points": points[name]} for name in spec.arms]
    record = as_yaml_has_it(
        {
            "spec": asdict(spec) | {"storage": "", "arms": arms},  # a storage's URL may hold a password
            "meaning": meaning,
            "batch_size": batch_size,
            "checked": sorted(checked | {point.key for point in unchecked}),
        }
    )
    text = yaml.safe_dump(record, sort_keys=False, allow_unicode=True)
    if recorded and record != recorded:
        write_atomically(folder / RECORD, text)
    elif not recorded and not write_once(folder / RECORD, text):
        return open_sweep(spec, options, parser)  # another process was faster: check against its record
    return int(batch_size)


def meaning_of(spec: Spec) -> dict[str, Any]:
    """Returns the settings that all runs of a sweep depend on. Sweeps that differ in them cannot share a folder.

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
    return as_yaml_has_it(meaning)


def refuse_another(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `UserError` if the runs in a folder belong to a different sweep.

    Args:
        folder: folder of the sweep.
        before: recorded `meaning_of` those runs.
        now: `meaning_of` the sweep that is about to run.
    """

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
    for point in points:
        run = SweepRun(point, spec.seeds[0])
        configuration = parse(arguments(spec, run, options, 1))
        for key in spec.settings_of(point.arm) | dict(point.values) | dict(options):
            if not has(
                configuration, key
            ):  # jsonargparse takes model.mapper.hidden for model.mapper.init_args.hidden
                raise unknown_key(key, [name for name, _ in flat(configuration)])
        check_callbacks(spec, configuration, run.name)
    base = parse([f"--config={file}" for file in spec.config])
    return int(base["data"]["batch_size"])


def one_drawn(spec: Spec) -> Point:
    """Returns one point of a search, by which its keys are checked."""
    return Point(
        "", {key: drawn.choices[0] if drawn.choices else drawn.low for key, drawn in spec.search.items()}
    )


def has(content: Any, key: str) -> bool:
    """Returns whether a dotted key leads to a value or a part of nested mappings."""
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    return True


def check_callbacks(spec: Spec, configuration: Mapping[str, Any], run: str) -> None:
    """Raises `UserError` if a run saves no last checkpoint of its own, or has no evaluation with the metric's name."""
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
    evaluation, _ = place_of(spec.metric)
    if evaluation != LOSSES and tasks and not unnamed and not evaluation.startswith(tuple(tasks)):
        raise UserError(
            f"metric is {spec.metric}, but the configuration has no evaluation of that name; "
            f"{nearest(evaluation, tasks)}"
        )


def as_yaml_has_it(content: Any) -> Any:
    """Returns content as a YAML file would give it back: lists in place of tuples, texts as keys."""
    return json.loads(json.dumps(content))
