"""Builds data sources from a class name and command-line arguments."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from difflib import get_close_matches

from jsonargparse import ArgumentError, ArgumentParser

from frozenvl.data import sources
from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UserError
from frozenvl.util.null_values import refuse_nulls


def source_classes() -> dict[str, type[Source]]:
    """Returns the source classes of this package by name."""
    classes = {}
    for module in pkgutil.iter_modules(sources.__path__):
        members = vars(importlib.import_module(f"{sources.__name__}.{module.name}"))
        for name, kind in members.items():
            usable = inspect.isclass(kind) and issubclass(kind, Source) and not inspect.isabstract(kind)
            if usable and not name.startswith("_"):
                classes[name] = kind
    return classes


def build_source(name: str, arguments: list[str]) -> Source:
    """Builds a source from command-line arguments.

    Args:
        name: name of a source class of this package, or a class path.
        arguments: constructor arguments, as `--name value`.

    Raises:
        UserError: if there is no such class, or it does not take these arguments.
    """
    kind, parser = source_class(name), source_parser(name)
    try:
        parsed = parser.parse_args([_plain(argument) for argument in arguments])
        refuse_nulls(parser, parsed, f"{name}: ")
        settings = vars(parser.instantiate_classes(parsed))
    except ArgumentError as error:
        reason = " ".join(str(error).split())[:300]
        takes = " ".join(f"--{parameter}" for parameter in inspect.signature(kind).parameters)
        raise UserError(f"{name}: {reason} (it takes {takes})") from None
    return kind(**settings)


def source_parser(name: str) -> ArgumentParser:
    """Returns the parser of a source's constructor arguments. Its help lists them.

    Raises:
        UserError: if there is no such source.
    """
    parser = ArgumentParser(prog=name, exit_on_error=False, allow_abbrev=False, add_help=False)
    parser.add_class_arguments(source_class(name))
    return parser


def source_class(name: str) -> type[Source]:
    """Returns the source class of a name, or of a class path.

    Raises:
        UserError: if there is no such source.
    """
    kind = _class_at(name) if "." in name else source_classes().get(name)
    if kind is None:
        close = get_close_matches(name, source_classes(), 1)
        remedy = (
            f"did you mean {close[0]}?" if close else "`frozenvl data what PATH` names the source of a file"
        )
        raise UserError(f"no source {name!r}; {remedy} data/README.md lists all; or give a class path")
    return kind


def _plain(argument: str) -> str:
    """Turns `--source.name` into `--name`."""
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
