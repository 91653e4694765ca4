"""Sources by name, as a command line tells of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from jsonargparse import ArgumentError, ArgumentParser

from frozenvl.data import sources
from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UserError


def source_classes() -> dict[str, type[Source]]:
    """The sources that the package brings, by name."""
    found = {}
    for module in pkgutil.iter_modules(sources.__path__):
        members = vars(importlib.import_module(f"{sources.__name__}.{module.name}"))
        for name, kind in members.items():
            usable = inspect.isclass(kind) and issubclass(kind, Source) and not inspect.isabstract(kind)
            if usable and not name.startswith("_"):
                found[name] = kind
    return found


def build_source(name: str, arguments: list[str]) -> Source:
    """The source that a command line tells of.

    Args:
        name: of a class that the package brings, or a class path.
        arguments: its constructor's, as `--name value`.

    Raises:
        UserError: no such class, or arguments that it does not take.
    """
    kind = _class_at(name) if "." in name else source_classes().get(name)
    if kind is None:
        raise UserError(
            f"no source {name!r}; there are {', '.join(sorted(source_classes()))}, or give a class path"
        )
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_class_arguments(kind)
    try:
        parsed = parser.parse_args([_plain(argument) for argument in arguments])
        settings = vars(parser.instantiate_classes(parsed))
    except ArgumentError as error:
        reason = " ".join(str(error).split())[:300]
        takes = " ".join(f"--{parameter}" for parameter in inspect.signature(kind).parameters)
        raise UserError(f"{name}: {reason} (it takes {takes})") from None
    return kind(**settings)


def _plain(argument: str) -> str:
    return f"--{argument.removeprefix('--source.')}" if argument.startswith("--source.") else argument


def _class_at(path: str) -> type[Source]:
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: cannot be imported ({error})") from None
    if not (inspect.isclass(kind) and issubclass(kind, Source)):
        raise UserError(f"{path}: not a source (a subclass of frozenvl.data.sources.source.Source)")
    return kind
