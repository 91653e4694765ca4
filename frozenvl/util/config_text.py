r"""Configurations as YAML text: `\${` stands for a literal `${`, and a text that looks like a number stays a text.

OmegaConf replaces `${key}` by the value of that key, and reads `\${` as a literal `${`. jsonargparse applies OmegaConf
to a configuration several times, so an escape would be lost after the first. Here the `$` of an escape is replaced by
a placeholder when a file is read, and put back when all is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import takewhile
from pathlib import PurePath
from typing import Any

import yaml
from jsonargparse import Namespace

PLACEHOLDER = "\ufdd0"
"""Stands for the `$` of a literal `${` while a configuration is parsed. A noncharacter of Unicode: no text has it."""
INTERPOLATION = re.compile(r"(\\*)\$\{")
"""An interpolation's beginning with the backslashes before it. An odd number of them makes it a literal."""
NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.[\d_]+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
"""What jsonargparse or OmegaConf read as a number in YAML. PyYAML alone takes 1e3 for a text."""


class ConfigDumper(yaml.SafeDumper):
    """YAML dumper that quotes each text that any reader of configurations takes for something else than a text."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # Between single quotes PyYAML reads U+0085 as a line break.
    quoted = NUMBER.fullmatch(text) or "\x85" in text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


ConfigDumper.add_representer(str, _represent_text)


def as_yaml(content: Any, flow: bool = False) -> str:
    """Returns plain content as YAML, in the order of its keys; with `flow` in brackets."""
    return yaml.dump(
        content, Dumper=ConfigDumper, default_flow_style=flow, allow_unicode=True, sort_keys=False
    )


def protected(content: Any) -> Any:
    r"""Returns a configuration with a placeholder in each escape: `\${x}` no longer is an interpolation."""
    return _mapped(content, lambda text: _replaced(text, PLACEHOLDER + "{"))


def restored(content: Any) -> Any:
    """Returns a parsed configuration with `$` for each placeholder: what the user means."""
    return _mapped(content, lambda text: text.replace(PLACEHOLDER, "$"))


def set_apart(content: Any) -> Any:
    """Returns a parsed configuration with a placeholder in each `${`: the opposite of `restored`."""
    return _mapped(content, lambda text: text.replace("${", PLACEHOLDER + "{"))


def escaped(content: Any) -> Any:
    r"""Returns a configuration as it is written to a file, without interpolations: `\${` for each literal `${`."""
    return _mapped(content, lambda text: INTERPOLATION.sub(lambda match: match[1] * 2 + r"\${", text))


def unescaped(content: Any) -> Any:
    r"""Returns the content of a file that `escaped` made, with `${` for each `\${`."""
    return _mapped(content, lambda text: _replaced(text, "${"))


def with_escapes(text: str) -> str:
    r"""Returns YAML with `\${` for each placeholder. Comments stay if they are at the top."""
    if PLACEHOLDER not in text:
        return text
    comments = "".join(takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))
    return comments + as_yaml(escaped(restored(yaml.safe_load(text))))


def _replaced(text: str, literal: str) -> str:
    """Returns a text with its escapes replaced by `literal`, each after half of the other backslashes before it."""

    def replace(match: re.Match[str]) -> str:
        count = len(match[1])
        return match[1][: count // 2] + literal if count % 2 else match[0]

    return INTERPOLATION.sub(replace, text)


def _mapped(content: Any, change: Callable[[str], str]) -> Any:
    """Returns a copy of nested content with each text changed; keys stay as they are."""
    if isinstance(content, str):
        return change(content)
    if isinstance(content, Namespace):
        copy = content.clone()
        vars(copy).update(_mapped(vars(content), change))
        return copy
    if isinstance(content, dict):
        return {key: _mapped(value, change) for key, value in content.items()}
    if type(content) in (list, tuple):
        return type(content)(_mapped(value, change) for value in content)
    return type(content)(change(str(content))) if isinstance(content, PurePath) else content


def protected_argument(argument: str) -> str:
    """Returns a command-line argument as `protected` does. Its value is a text, or YAML of a mapping or a list."""
    if "\\$" not in argument:
        return argument
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    try:
        content = yaml.safe_load(value)
    except yaml.YAMLError:
        content = None
    if isinstance(content, dict | list):
        return f"{option}{equals}{as_yaml(protected(content), flow=True)}"
    return f"{option}{equals}{protected(value)}"
