"""Refuses null (or nothing) as the value of a parameter whose type has no None: jsonargparse takes it for any type."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

from jsonargparse import ArgumentError, ArgumentParser, Namespace

# jsonargparse's own list of a class's parameters: it follows **kwargs to base classes and evaluates annotations.
from jsonargparse._parameter_resolvers import get_signature_parameters

from frozenvl.util.errors import UserError

ITEM = object()
"""Default of a null that is an item of a list or a mapping: it may be left out."""


@dataclass(frozen=True)
class NullValue:
    """A value of a configuration that is null although its type does not admit None."""

    key: str
    """Dotted key, as in YAML."""
    default: Any
    """Default of the parameter; `inspect.Parameter.empty` if it has none; `ITEM` for an item of a container."""

    def __str__(self) -> str:
        remedy = "give it a value"
        if self.default is ITEM:
            remedy += ", or remove it"
        elif self.default is not inspect.Parameter.empty:
            default = self.default.get("class_path") if isinstance(self.default, Mapping) else self.default
            plain = isinstance(default, str | int | float | bool)
            remedy += f", or remove it to have the default{f', {default!r}' if plain else ''}"
        return f"{self.key} is null (its value is missing), which it cannot be; {remedy}"


def refuse_nulls(parser: ArgumentParser, config: Namespace, where: str = "") -> None:
    """Checks a parsed configuration, with the arguments of all classes in it.

    Args:
        parser: parser of the configuration.
        config: what it parsed.
        where: start of the error line, such as the name of the file.

    Raises:
        UserError: if a parameter is null and its type does not admit None; the line names the dotted key.
    """
    for null in _nulls_of_parser(parser, config):
        raise UserError(f"{where}{null}")


def null_behind(error: ArgumentError, parser: ArgumentParser, content: Mapping[str, Any]) -> NullValue | None:
    """Returns the null that made a parser refuse a configuration; its own message names no key below a parameter.

    Args:
        error: error of the parser.
        parser: parser that raised it.
        content: configuration as it was read from YAML.
    """
    message = str(error)
    keys = re.findall(r'Parser key "([^"]+)"', message)[:1]
    for names in re.findall(r"^the following arguments are required: (.*)", message):
        keys += names.split(", ")
    nulls = _nulls_of_parser(parser, content)
    return next((null for null in nulls if any(f"{null.key}.".startswith(f"{key}.") for key in keys)), None)


def refuse_empty_blocks(content: Any, blocks: Collection[str] = (), where: str = "", key: str = "") -> None:
    """Checks that no block of a configuration is left empty: its settings in other files would be lost.

    Args:
        content: configuration as it was read from YAML.
        blocks: dotted keys of the blocks; `init_args` is one everywhere.
        where: start of the error line, such as the name of the file.
        key: dotted key of the content.

    Raises:
        UserError: if there is one; the line names the dotted key.
    """
    if content is None and (key in blocks or key.rpartition(".")[2] == "init_args"):
        raise UserError(f"{where}{key} is null (nothing stands below it); fill it in, or remove it")
    nested = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content if isinstance(content, list) else ())
    )
    for name, value in nested:
        refuse_empty_blocks(value, blocks, where, f"{key}.{name}" if key else str(name))


def _nulls_of_parser(parser: ArgumentParser, content: Mapping[str, Any] | Namespace) -> Iterator[NullValue]:
    """Yields the null values of a configuration, as it was read or parsed, that its parser's types do not admit."""
    for action in parser._actions:
        hint, value = getattr(action, "_typehint", None), _value_at(content, action.dest)
        if hint is not None and value is not ITEM and holds_null(value):
            default = inspect.Parameter.empty if action.required else action.default
            yield from _nulls(value, hint, default, action.dest)


def _value_at(content: Any, key: str) -> Any:
    """Returns the value of a dotted key; `ITEM` if there is none."""
    for name in key.split("."):
        items = _items(content) if isinstance(content, Mapping | Namespace) else {}
        if name not in items:
            return ITEM
        content = items[name]
    return content


def _nulls(value: Any, hint: Any, default: Any, key: str) -> Iterator[NullValue]:
    """Yields the null values of a parameter and of what is below it."""
    if value is not None:
        yield from _nulls_within(value, [*members_of(hint)], key)
    elif default is not None and not admits_none(hint):
        yield NullValue(key, default)


def _nulls_within(value: Any, hints: Sequence[Any], key: str) -> Iterator[NullValue]:
    """Yields the null values below a value that is not null.

    Args:
        value: value of a parameter, or an item of it.
        hints: types that the value may have, without unions.
        key: dotted key of the value.
    """
    if isinstance(value, list | tuple):
        yield from _null_items(enumerate(value), [hint for hint in hints if len(_arguments(hint)) < 2], key)
        return
    if not isinstance(value, Mapping | Namespace):
        return
    items = _items(value)
    classes: list[Any] = [hint for hint in hints if inspect.isclass(hint) and hint.__module__ != "builtins"]
    if isinstance(items.get("class_path"), str):
        if kind := class_at(items["class_path"]):
            yield from nulls_of(kind, items.get("init_args") or {}, f"{key}.init_args.")
    elif kind := next((kind for kind in classes if items.keys() <= parameters(kind).keys()), None):
        yield from nulls_of(kind, items, f"{key}.")
    else:
        yield from _null_items(items.items(), [hint for hint in hints if len(_arguments(hint)) == 2], key)


def _null_items(items: Iterable[tuple[Any, Any]], hints: Sequence[Any], key: str) -> Iterator[NullValue]:
    """Yields the null items of a list or a mapping, and the null values below its items.

    Args:
        items: index or key of each item, and the item.
        hints: types that the container may have, such as `list[int]`.
        key: dotted key of the container.
    """
    kinds = [member for hint in hints for kind in _arguments(hint)[-1:] for member in members_of(kind)]
    for name, item in items:
        if item is not None:
            yield from _nulls_within(item, kinds, f"{key}.{name}")
        elif kinds and not any(admits_none(kind) for kind in kinds):
            yield NullValue(f"{key}.{name}", ITEM)


def nulls_of(kind: Any, arguments: Mapping[str, Any] | Namespace, prefix: str) -> Iterator[NullValue]:
    """Yields the null values among the arguments of a class or function that its types do not admit.

    Args:
        kind: class or function.
        arguments: values of its arguments by name, as in YAML.
        prefix: what precedes the name of an argument in its dotted key, such as "arms.small.".
    """
    items = {name: value for name, value in _items(arguments).items() if holds_null(value)}
    known = parameters(kind) if items else {}
    for name, value in items.items():
        if name in known:
            yield from _nulls(value, known[name].annotation, known[name].default, f"{prefix}{name}")


def _items(arguments: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    """Returns arguments by name, without what jsonargparse notes of their origin (`__path__`)."""
    named = vars(arguments) if isinstance(arguments, Namespace) else arguments
    return {name: value for name, value in named.items() if not str(name).startswith("__")}


def holds_null(value: Any) -> bool:
    """Returns whether a value is null or has a null in it, at any depth."""
    if isinstance(value, list | tuple):
        return any(map(holds_null, value))
    if isinstance(value, Mapping | Namespace):
        return any(map(holds_null, _items(value).values()))
    return value is None


@cache
def parameters(kind: Any) -> dict[str, Any]:
    """Returns the parameters of a class or function by name, with resolved annotations and defaults."""
    method = ["__init__"] if inspect.isclass(kind) else []
    try:
        return {parameter.name: parameter for parameter in get_signature_parameters(kind, *method)}
    except ValueError:  # a class that is written in C, such as timedelta
        return {}


def class_at(path: str) -> Any:
    """Returns the class or function that a configuration names; None if there is none, which its parser reports."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:  # a class or a method within a class
        return getattr(class_at(module), name, None)
    except (ImportError, ValueError):
        return None


def admits_none(hint: Any) -> bool:
    """Returns whether None is a value of a type; True for types that are unknown or left out."""
    if hint in (None, NoneType, Any, object, inspect.Parameter.empty) or isinstance(
        hint, str | ForwardRef | TypeVar
    ):
        return True
    if get_origin(hint) in (Union, UnionType):
        return any(admits_none(member) for member in get_args(hint))
    if get_origin(hint) is Literal:
        return None in get_args(hint)
    if get_origin(hint) is Annotated:
        return admits_none(get_args(hint)[0])
    return admits_none(hint.__supertype__) if isinstance(hint, NewType) else False


def members_of(hint: Any) -> Iterator[Any]:
    """Yields the types of which a value may be, if a type is a union; what a factory makes for a callable."""
    if get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            yield from members_of(member)
    elif get_origin(hint) is Annotated:
        yield from members_of(get_args(hint)[0])
    elif get_origin(hint) is Callable and get_args(hint):
        yield from members_of(get_args(hint)[-1])
    else:
        yield hint


def _arguments(hint: Any) -> list[Any]:
    """Returns the types of a container's items: [Task] of `list[Task]`, [str, Task] of `dict[str, Task]`."""
    return (
        [part for part in get_args(hint) if part is not Ellipsis] if get_origin(hint) is not Literal else []
    )
