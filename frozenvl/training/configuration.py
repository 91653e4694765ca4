"""Configurations before they are parsed: the module that they name, keys that stand twice, and mistakes in one line."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from frozenvl.training.module import FrozenModule
from frozenvl.util.errors import UserError

MODULE_OPTIONS = ("--model", "--model.class_path")
NOISE = re.compile(
    r" (- Expected a <class 'NoneType'>|Given value type:|Given value:|- Expected a path but|Subtypes:|Errors:"
    r"|Does not validate against any of the Union subtypes).*?(?= - (?!Expected a (path|<class 'NoneType'>))|$)"
)
"""Parts of jsonargparse's messages that say nothing to the reader of a configuration."""


class StrictLoader(yaml.SafeLoader):
    """Reads YAML as jsonargparse does, but refuses a key that stands twice in a mapping: the first would be lost."""

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
    """What the configuration files and the JSON values among arguments say, each with its name.

    Raises:
        UserError: a key stands twice, or a file is not YAML.
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
            yield option, yaml.load(text, StrictLoader)
        except UserError as error:
            raise UserError(f"{option}: {error}") from None
        except yaml.YAMLError as error:
            if is_file:  # jsonargparse says what is wrong with it, and not with which
                raise UserError(
                    f"{option} is not YAML: {' '.join(str(error).split())[:300]}; mend it"
                ) from None


def names_module(arguments: Sequence[str]) -> bool:
    """Whether arguments, or a configuration file among them, name a class of module.

    Raises:
        UserError: a key stands twice in a configuration, or a file of one is not YAML.
    """
    read = [content.get("model") for _, content in contents(arguments) if isinstance(content, Mapping)]
    named = any(argument.partition("=")[0] in MODULE_OPTIONS for argument in arguments)
    return named or any(isinstance(model, Mapping) and "class_path" in model for model in read)


def module_spec(model: Mapping[str, Any]) -> tuple[type[FrozenModule], dict[str, Any]]:
    """The class of a configuration's `model`, and its arguments.

    Raises:
        UserError: the class cannot be imported, or is no FrozenModule.
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


def one_line(message: str) -> str:
    """The innermost of jsonargparse's nested messages, behind the key that it is about."""
    folded = " ".join(message.split())
    keys = re.findall(r'Parser key "([^"]+)"', folded)
    nested = re.search(r"NestedArg\(key='([^']+)'", folded)
    innermost = folded[folded.rfind("Problem with") :] if "Problem with" in folded else folded
    innermost = " ".join(NOISE.sub("", innermost).split())
    where = ".".join([keys[0], *([nested[1]] if nested else [])]) if keys else ""
    if where:
        own = re.compile(rf'^(Parser key "{re.escape(keys[0])}":)?[- ]*')
        innermost = f"{where}: {own.sub('', innermost)}"
    given = re.search(r"Given value type: <class 'str'> Given value: (\S+)", folded)
    if given and given[1] not in innermost:
        innermost = innermost.replace("Import path does", f"{given[1]} does")
    if "does not correspond to a subclass" in innermost:
        innermost += "; name one"
    if re.search(r"No module named|Expected a dot import path|has no attribute", innermost):
        innermost += "; name a class by the path from which Python imports it, package.module.Class"
    return innermost if len(innermost) <= 400 else innermost[:397] + "…"
