"""Opening a sweep: its folder is its own, its keys are the configuration's, and what it ran before meant the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from frozenvl.evaluation.score_file import LOSSES
from frozenvl.sweep.grid import Point, Run
from frozenvl.sweep.spec import Spec, nearest
from frozenvl.sweep.state import RECORD, is_sweep, place_of, read_record
from frozenvl.sweep.trial import arguments, budget
from frozenvl.util.errors import UserError
from frozenvl.util.files import write_atomically, write_once

Parse = Callable[[Sequence[str]], dict[str, Any]]
"""The arguments of `frozenvl fit` → the configuration that they make, nested."""


def open_sweep(spec: Spec, options: Mapping[str, Any], parser: Callable[[], Parse]) -> int:
    """Checks a sweep before anything of it runs, and notes it in its folder; returns the batch size of its base.

    Args:
        options: settings that are this machine's own.
        parser: makes what reads a configuration; called only where something is new.

    Raises:
        UserError: in one line, whatever could not work.
    """
    own = {*spec.swept, *spec.fixed, *budget(spec, 1), *(key for arm in spec.arms for key in arm.fixed)}
    for key in options:
        if key in own:
            raise UserError(f"--set {key}: the sweep itself sets it; --set is for what is a machine's own")
    folder = spec.folder
    if not is_sweep(folder) and any((folder / name).exists() for name in ("config.yaml", "checkpoints")):
        raise UserError(f"{folder}: holds a run, not a sweep; give the sweep another name")
    known = read_record(folder) if is_sweep(folder) else {}
    meaning = meaning_of(spec)
    if known:
        refuse_another(folder, known["meaning"], meaning)
    checked = set(known.get("checked", ()))
    todo = [point for arm in spec.arms for point in arm.points if point.key not in checked]
    batch_size = known.get("batch_size")
    if todo or batch_size is None:
        batch_size = check_points(spec, todo or [ends_of(spec)], options, parser())
    content = {
        "spec": asdict(spec) | {"storage": ""},  # which may hold a password
        "meaning": meaning,
        "batch_size": batch_size,
        "checked": sorted(checked | {point.key for point in todo}),
    }
    content = plain(content)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    if known and content != known:
        write_atomically(folder / RECORD, text)
    elif not known and not write_once(folder / RECORD, text):
        return open_sweep(spec, options, parser)  # one that began meanwhile, maybe another
    return int(batch_size)


def meaning_of(spec: Spec) -> dict[str, Any]:
    """All that a run depends on beside its point: two sweeps that differ in it share no folder."""
    from omegaconf import OmegaConf
    from yaml import YAMLError

    bases: dict[str, Any] = {}
    for file in spec.config:
        try:
            bases |= flat(OmegaConf.to_container(OmegaConf.load(file), resolve=False))
        except (YAMLError, OSError, UnicodeDecodeError) as error:
            raise UserError(f"config {file}: not YAML ({' '.join(str(error).split())[:200]})") from None
    # As they are laid over each other, as near as can be told without the classes that they name.
    own: dict[str, Any] = {"budget": spec.budget, "validate": spec.validate, "set": spec.fixed}
    arms = {f"arms.{arm.name}.set": arm.fixed for arm in spec.arms if arm.name}
    searched: dict[str, Any] = {"search": {key: asdict(value) for key, value in spec.search.items()}}
    searched |= {"sampler": spec.sampler, "metric": spec.metric, "direction": spec.direction}
    pruned = {"pruner": spec.pruner}
    return plain({"config": bases} | own | arms | pruned | (searched if spec.search else {}))


def refuse_another(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `UserError` where a folder's runs meant something else."""
    old, new = (
        {key: value for key, value in flat(all_of).items() if value != {}} for all_of in (before, now)
    )

    def arm(key: str) -> str:
        return key.partition(".set")[0] if key.startswith("arms.") else ""

    both = {arm(key) for key in before} & {arm(key) for key in now}  # arms may come and go
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key) and (not arm(key) or arm(key) in both):
            was, is_now = (repr(known[key]) if key in known else "nothing" for known in (old, new))
            raise UserError(
                f"{folder}: two sweeps in one folder: the runs there have {key} = {was}, this one has {is_now}; "
                "give it another name, or put that back"
            )


def check_points(spec: Spec, points: Sequence[Point], options: Mapping[str, Any], parse: Parse) -> int:
    """Parses the configuration of every point, without making anything of it."""
    base = parse([f"--config={file}" for file in spec.config])
    known = flat(base)
    for key in [*options, *spec.fixed, *spec.swept, *(key for arm in spec.arms for key in arm.fixed)]:
        _check_key(key, known, parse)
    for point in points:
        parsed = parse(arguments(spec, Run(point, spec.seeds[0]), options, 1))
        _check_parsed(spec, parsed)
    return int(known.get("data.batch_size") or 1)


def ends_of(spec: Spec) -> Point:
    """A point of a search, to try whether its keys are there."""
    return Point("", {key: (range.choices or (range.low,))[0] for key, range in spec.search.items()})


def _check_key(key: str, known: Mapping[str, Any], parse: Parse) -> None:
    """A key of the base, of a part of it, or that a class there takes."""
    if key in known or any(name.startswith(f"{key}.") for name in known):
        return
    parent = key.rpartition(".")[0]
    if any(name.startswith(f"{parent}.") for name in known) and parent.rpartition(".")[2] == "init_args":
        return  # of another class, maybe: the points themselves tell
    raise UserError(f"{key} is not in the configuration; {nearest_key(key, list(known))}")


def nearest_key(key: str, known: Sequence[str]) -> str:
    last = key.rpartition(".")[2]
    alike = [name for name in known if name.rpartition(".")[2] == last]
    return f"did you mean {alike[0]}?" if alike else nearest(key, known)


def _check_parsed(spec: Spec, parsed: Mapping[str, Any]) -> None:
    callbacks = (parsed.get("trainer") or {}).get("callbacks") or []
    callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    own = [dict(callback.get("init_args") or {}) for callback in callbacks]
    if not any(options.get("save_last") for options in own):
        raise UserError(
            "config keeps no last checkpoint to go on from and to score: give trainer.callbacks a ModelCheckpoint with "
            "save_last: true"
        )
    tasks = sorted({str(name) for options in own if (name := options.get("task") or options.get("name"))})
    unnamed = any("benchmark" in options and not options.get("name") for options in own)
    evaluation = place_of(spec.metric)[0]
    if evaluation != LOSSES and tasks and not unnamed and not evaluation.startswith(tuple(tasks)):
        raise UserError(
            f"metric is {spec.metric}, but the configuration has no evaluation of that name; "
            f"{nearest(evaluation, tasks)}"
        )


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; an empty one stays."""
    if not isinstance(content, Mapping) or not content:
        return {prefix: content} if prefix else {}
    return {
        key: value
        for name, inner in content.items()
        for key, value in flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def plain(content: Any) -> Any:
    """As YAML keeps it."""
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [plain(value) for value in content]
    return content
