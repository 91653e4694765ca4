"""What can be completed: commands, their options, and the values that these take, read from the parsers themselves."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from frozenvl.completion.class_paths import class_paths

RUNS = re.compile(r"\bfolders? of (a run|runs)\b")
"""What the help of arguments says that take the folder of a run."""


@dataclass(frozen=True)
class Option:
    """An option of a command."""

    name: str
    help: str = ""
    takes_value: bool = True
    values: tuple[str, ...] = ()
    """Values to choose from; () if it takes others, such as numbers or files."""


@dataclass(frozen=True)
class Command:
    """A command, or an action of one."""

    name: str
    help: str = ""
    options: tuple[Option, ...] = ()
    actions: tuple[Command, ...] = ()
    values: tuple[str, ...] = ()
    """Values to choose from of positional arguments."""
    takes_runs: bool = False
    """True if a positional argument is the folder of a run."""


def all_commands() -> Iterator[Command]:
    """Yields all commands of `frozenvl`. Reading them takes some seconds: the parsers of experiments are built."""
    from frozenvl.cli import EXPERIMENT, SMALL, OneLineParser, module_of
    from frozenvl.training.parsing import subcommand_parser

    for name, line in EXPERIMENT.items():
        yield command_of(name, line, subcommand_parser(name))
    for name, line in SMALL.items():
        parser = OneLineParser(f"frozenvl {name}")
        importlib.import_module(module_of(name)).add_arguments(parser)
        yield command_of(name, line, parser)


def command_of(name: str, line: str, parser: argparse.ArgumentParser) -> Command:
    """Returns what a parser takes."""
    options: list[Option] = []
    actions: list[Command] = []
    values: list[str] = []
    takes_runs = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            actions += [command_of(key, lines.get(key, ""), sub) for key, sub in action.choices.items()]
        elif action.help is argparse.SUPPRESS:
            continue
        elif action.option_strings:
            options += options_of(action)
        else:
            takes_runs |= bool(RUNS.search(action.help or ""))
            values += map(str, action.choices or ())
    return Command(name, one_line(line), tuple(options), tuple(actions), tuple(values), takes_runs)


def options_of(action: argparse.Action) -> Iterator[Option]:
    """Yields the options of an action, one for each of its names."""
    for name in action.option_strings:
        if name.startswith("-") and not name.endswith("+"):
            yield Option(name, one_line(action.help or ""), action.nargs != 0, tuple(values_of(action)))


def values_of(action: argparse.Action) -> Iterable[str]:
    """Returns the values of an option: its choices, those of its type, or class paths."""
    if action.choices:
        return map(str, action.choices)
    return dict.fromkeys(values_of_type(getattr(action, "_typehint", None)))


def values_of_type(kind: Any) -> Iterator[str]:
    """Yields the values of a type: of literals, booleans, and the class paths of frozenvl's classes."""
    if kind is bool:
        yield from ("true", "false")
    elif kind is type(None):
        yield "null"
    elif get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    elif isinstance(kind, type) and kind.__module__.startswith("frozenvl."):
        yield from class_paths(kind)
    elif isinstance(get_origin(kind), type) and issubclass(get_origin(kind), dict):
        return  # names that the user chooses
    else:
        for part in get_args(kind):
            if not isinstance(part, list):  # the arguments of a Callable
                yield from values_of_type(part)


def one_line(text: str) -> str:
    """Returns the first line of a help text, as argparse would print it."""
    return " ".join(text.replace("%%", "%").split(". ")[0].split()).rstrip(".")
