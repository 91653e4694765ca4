"""Suites: benchmarks read from YAML files and evaluated on a trained run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from frozenvl.evaluation.benchmark import Benchmark
from frozenvl.evaluation.preflight import check, refuse_twins
from frozenvl.evaluation.provenance import of_model
from frozenvl.evaluation.query import View
from frozenvl.evaluation.runner import evaluate
from frozenvl.evaluation.session import Session
from frozenvl.evaluation.subject import Subject
from frozenvl.prompt import black
from frozenvl.util.errors import UserError
from frozenvl.util.null_values import null_behind, refuse_empty_blocks, refuse_nulls
from frozenvl.util.parser_messages import one_line


def read_suite(paths: Sequence[Path], root: str | None, only: Sequence[str]) -> dict[str, Benchmark]:
    """Reads the benchmarks of YAML files, by name.

    Args:
        paths: YAML files; each has the key `benchmarks`, and may refer to `${root}`.
        root: folder of the data.
        only: names of the benchmarks to make; empty for all.

    Raises:
        UserError: if a file or benchmark is missing, or a benchmark cannot be made.
    """
    described: dict[str, Any] = {}
    for path in paths:
        added = read_described(path, root)
        if twice := described.keys() & added.keys():
            raise UserError(f"{path}: benchmark {min(twice)} stands in another file, too; rename one")
        described |= added
    if unknown := [name for name in only if name not in described]:
        raise UserError(f"no benchmark {unknown[0]!r}; there are {', '.join(described)}")
    for name in described:
        if not re.fullmatch(r"[\w.-]*\w[\w.-]*", name):
            raise UserError(f"benchmark {name!r}: its name is a folder's: letters, digits, _ . and - alone")
    return {name: make(name, described[name]) for name in only or described}


def read_described(path: Path, root: str | None) -> dict[str, Any]:
    """Reads the descriptions of a file's benchmarks by name, with `${root}` filled in."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        loaded = OmegaConf.load(path)
        if OmegaConf.is_dict(loaded) and OmegaConf.is_missing(loaded, "root") and not root:
            raise UserError(f"{path}: needs the folder of the data; name it with --root")
        content = OmegaConf.merge(loaded, {"root": root} if root else {})
        plain: Any = OmegaConf.to_container(content, resolve=True, throw_on_missing=True)
    except (OmegaConfBaseException, YAMLError, TypeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        literal = r"; a literal ${ is written \${" if isinstance(error, OmegaConfBaseException) else ""
        hint = "; --root names the data" if "'root'" in reason and not root else literal
        raise UserError(f"{path}: {reason}{hint}") from None
    if (
        not isinstance(plain, dict)
        or not isinstance(plain.get("benchmarks"), dict)
        or not plain["benchmarks"]
    ):
        raise UserError(f"{path}: has no `benchmarks`: a name for each, with its class_path and init_args")
    return plain["benchmarks"]


def make(name: str, described: Any) -> Benchmark:
    """Makes a benchmark from its description (`class_path`, `init_args`)."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--benchmark", type=Benchmark, required=True)
    try:
        refuse_empty_blocks({name: described}, (name,))
        config = parser.parse_object({"benchmark": described})
        refuse_nulls(parser, config)
        made: Benchmark = parser.instantiate_classes(config).benchmark
        made.name = name
        made.bind({}, {})
    except ArgumentError as error:
        null = null_behind(error, parser, {"benchmark": described})
        raise UserError(f"benchmark {name}: {null or reason(error)}") from error
    except (UserError, TypeError, ValueError) as error:
        raise UserError(f"benchmark {name}: {reason(error)}") from error
    return made


def reason(error: BaseException) -> str:
    """Returns the reason of an error in one line: the `UserError` that caused it, else jsonargparse's message."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return str(cause).replace("--data.root", "--root")  # sources name the option of `fit`
        cause = cause.__cause__ or cause.__context__
    return one_line(str(error)).removeprefix("benchmark: ")


def session_of(
    subject: Subject, folder: Path, views: Sequence[View], batch_size: int, limit: int | None
) -> Session:
    """Returns the session of a suite.

    Args:
        folder: parent folder of the evaluations.
        limit: largest number of batches of each setting; None for all.
    """
    model, blind = subject.model, subject.blind
    return Session(
        model=model,
        plain=subject.processor,
        folder=folder,
        provenance=of_model(
            model, subject.trained_weights, subject.precision, blind, model.scaled_decoding, batch_size
        ),
        step=subject.step,
        batch_size=batch_size,
        see=black if blind else lambda image: image,
        views=views,
        limit=limit,
        resumable=True,
    )


def check_suite(benchmarks: Mapping[str, Benchmark], session: Session) -> None:
    """Raises `UserError` if a benchmark cannot be evaluated; the message names it."""
    refuse_twins(benchmarks.values())
    for benchmark in benchmarks.values():
        benchmark.prepare(session.rank == 0)
        for setting in benchmark.settings():
            check(benchmark, setting, session)


def run_suite(benchmarks: Mapping[str, Benchmark], session: Session) -> None:
    """Evaluates all benchmarks. Saved answers with the same fingerprint are reused."""
    for benchmark in benchmarks.values():
        for setting in benchmark.settings():
            evaluate(benchmark, setting, session)
