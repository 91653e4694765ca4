"""Checks of configurations that jsonargparse lacks: module classes, duplicate and unknown keys, short error lines."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from frozenvl.training.module import FrozenModule
from frozenvl.util.errors import UserError
from frozenvl.util.null_values import null_behind, refuse_empty_blocks
from frozenvl.util.parser_messages import one_line, unknown_key

MODULE_OPTIONS = ("--model", "--model.class_path")
BLOCKS = ("model", "data", "trainer")
"""Blocks of a configuration, which jsonargparse resets to their defaults where they are null."""


class StrictLoader(yaml.SafeLoader):
    """YAML loader like jsonargparse's that refuses duplicate keys in a mapping: the first value would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise UserError(
                    f"line {key.start_mark.line + 1}: {key.value} stands twice in one mapping; rename or remove one"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def contents(arguments: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yields (name, content) of each configuration file and each JSON value among the arguments.

    Raises:
        UserError: if a mapping has a duplicate key or a file is not YAML.
    """
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if not option.startswith("--"):
            continue
        if not equals:
            value = arguments[place + 1] if place + 1 < len(arguments) else ""
        text = ""
        if is_file := option == "--config" and Path(value).is_file():
            option, text = value, Path(value).read_text(encoding="utf-8", errors="replace")
        elif value.lstrip().startswith("{"):
            text = value
        try:
            content = yaml.load(text, StrictLoader)
            if is_file and not isinstance(content, Mapping):
                shown = "nothing" if content is None else repr(str(content)[:50])
                raise UserError(f"holds {shown}; a configuration is a mapping, such as model: {{k: 4}}")
            yield option, content
        except UserError as error:
            raise UserError(f"{option}: {error}") from None
        except yaml.YAMLError as error:
            if is_file:  # jsonargparse's error does not name the file
                raise UserError(
                    f"{option} is not YAML: {' '.join(str(error).split())[:300]}; mend it"
                ) from None


def names_module(arguments: Sequence[str]) -> bool:
    """Returns whether the arguments, or a configuration file among them, name a module class.

    Raises:
        UserError: if a mapping has a duplicate key or a file is not YAML.
    """
    read = [content.get("model") for _, content in contents(arguments) if isinstance(content, Mapping)]
    named = any(argument.partition("=")[0] in MODULE_OPTIONS for argument in arguments)
    return named or any(isinstance(model, Mapping) and "class_path" in model for model in read)


def module_spec(model: Mapping[str, Any]) -> tuple[type[FrozenModule], dict[str, Any]]:
    """Returns the module class of a configuration's `model`, and its arguments.

    Raises:
        UserError: if the class cannot be imported or is not a FrozenModule.
    """
    if "class_path" not in model:
        return FrozenModule, dict(model)
    path = str(model["class_path"])
    package, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"model: {path} cannot be imported ({error}); run from the folder that holds it"
        ) from None
    if not isinstance(kind, type) or not issubclass(kind, FrozenModule):
        raise UserError(f"model: {path} is no subclass of frozenvl.training.module.FrozenModule; make it one")
    return kind, dict(model.get("init_args") or {})


def unknown_empty_key(arguments: Sequence[str], config: Namespace) -> str | None:
    """Returns an unknown dotted key whose value is an empty mapping, if there is one: jsonargparse ignores those.

    Args:
        arguments: command-line arguments.
        config: the configuration parsed from them.
    """
    for option, content in contents(arguments):
        prefix = f"{option.lstrip('-')}." if option.startswith("--") else ""
        for key in empty_keys(content, prefix):
            part: Any = config
            for word in key.split("."):
                if not isinstance(part, Namespace) or ("class_path" in part and word != "init_args"):
                    break
                if word not in part and word != "init_args":
                    return key
                part = part.get(word)
    return None


def check_blocks(arguments: Sequence[str]) -> None:
    """Raises `UserError` if a configuration file or a JSON value among the arguments leaves a block empty."""
    for option, content in contents(arguments):
        where, key = ("", option[2:]) if option.startswith("--") else (f"{option}: ", "")
        if content is not None:  # None: the value is no YAML, such as a class path
            refuse_empty_blocks(content, BLOCKS, where, key)


def empty_keys(content: Any, prefix: str = "") -> Iterator[str]:
    """Yields the dotted keys whose value is an empty mapping, at any depth."""
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if value == {}:
            yield f"{prefix}{key}"
        yield from empty_keys(value, f"{prefix}{key}.")


def refused(error: ArgumentError, parser: ArgumentParser, arguments: Sequence[str]) -> UserError:
    """Returns the error of a parser about command-line arguments as one line."""
    for option, content in contents(arguments):
        if isinstance(content, Mapping):
            for name in reversed(option[2:].split(".")) if option.startswith("--") else ():
                content = {name: content}
            if null := null_behind(error, parser, content):
                return UserError(str(null))
    message = str(error)
    match = re.match(
        r"(?:Subcommand '\w+' does not accept option '|unrecognized arguments: --)([\w.]+)", message
    )
    return unknown_key(match[1], keys_of(parser)) if match else UserError(one_line(message))


def keys_of(parser: ArgumentParser) -> list[str]:
    """Returns the dotted keys that a parser accepts."""
    return list(parser.get_defaults(skip_validation=True).keys(branches=True))
