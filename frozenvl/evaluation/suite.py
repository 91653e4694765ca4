"""Benchmarks on a trained run, outside of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frozenvl.errors import UserError
from frozenvl.evaluation.benchmark import Benchmark
from frozenvl.evaluation.circumstances import of_run
from frozenvl.evaluation.runner import Context, View, check, evaluate
from frozenvl.prompt import black
from frozenvl.trained import Trained


def read_suite(paths: Sequence[Path], root: str | None, only: Sequence[str]) -> dict[str, Benchmark]:
    """The benchmarks of some YAML files, by name.

    Args:
        paths: of the files; each has `benchmarks`, and may refer to `${root}`.
        root: folder of the data.
        only: names of those that are wanted; all, if empty.

    Raises:
        UserError: no such file or benchmark, or one that cannot be made.
    """
    described: dict[str, Any] = {}
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        try:
            content = OmegaConf.merge(OmegaConf.load(path), {"root": root} if root else {})
            plain: Any = OmegaConf.to_container(content, resolve=True, throw_on_missing=True)
        except (OmegaConfBaseException, ValueError) as error:
            raise UserError(
                f"{path}: {' '.join(str(error).split())[:200]}; name the data's folder with --root"
            ) from None
        if not isinstance(plain, dict) or not isinstance(plain.get("benchmarks"), dict):
            raise UserError(f"{path}: has no `benchmarks`")
        described |= plain["benchmarks"]
    if unknown := set(only) - described.keys():
        raise UserError(f"no benchmark {min(unknown)!r}; there are {', '.join(described)}")
    benchmarks = {}
    for name in only or described:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--benchmark", type=Benchmark)
        try:
            made = parser.instantiate_classes(parser.parse_object({"benchmark": described[name]}))
        except ArgumentError as error:
            raise UserError(f"benchmark {name}: {' '.join(str(error).split())[:300]}") from error
        except UserError as error:
            raise UserError(f"benchmark {name}: {error}") from None
        benchmarks[name] = made["benchmark"]
        benchmarks[name].name = name
    return benchmarks


def run_suite(
    benchmarks: Mapping[str, Benchmark],
    trained: Trained,
    folder: Path,
    views: Sequence[View],
    batch_size: int,
    limit: int | None,
    rank: int = 0,
    world_size: int = 1,
) -> None:
    """Evaluates all; what was finished before, under the same circumstances, is used again.

    Raises:
        UserError: before anything is run, where a benchmark could not be.
    """
    context = Context(
        model=trained.module.model,
        plain=trained.processor,
        folder=folder,
        facts=of_run(trained.module, trained.blind, True, batch_size),
        step=trained.step,
        batch_size=batch_size,
        see=black if trained.blind else lambda image: image,
        views=views,
        limit=limit,
        rank=rank,
        world_size=world_size,
        resumable=True,
    )
    for benchmark in benchmarks.values():
        benchmark.bind({}, {})
        benchmark.prepare(context)
        for setting in benchmark.settings():
            check(benchmark, setting, context)
    for benchmark in benchmarks.values():
        for setting in benchmark.settings():
            evaluate(benchmark, setting, context)
