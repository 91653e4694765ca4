"""Refuses null (or nothing) as the value of a parameter whose type has no None: jsonargparse takes it for any type."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace

# jsonargparse's own list of a class's parameters: it follows **kwargs to base classes and evaluates annotations.
from jsonargparse._parameter_resolvers import get_signature_parameters

from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class NullValue:
    """A parameter of a configuration that is null although its type does not admit None."""

    key: str
    """Dotted key, as in YAML."""
    default: Any
    """Default of the parameter; `inspect.Parameter.empty` if it has none."""

    def __str__(self) -> str:
        remedy = "give it a value"
        if self.default is not inspect.Parameter.empty:
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
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        if hint is not None and action.dest in config:
            for null in _nulls(config[action.dest], hint, action.default, action.dest):
                raise UserError(f"{where}{null}")


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


def _nulls(value: Any, hint: Any, default: Any, key: str) -> Iterator[NullValue]:
    """Yields the null values of a parameter and of the arguments below it."""
    if value is None:
        if default is not None and not admits_none(hint):
            yield NullValue(key, default)
    else:
        yield from _nulls_within(value, {*classes_of(hint)}, key)


def _nulls_within(value: Any, classes: Collection[type], key: str) -> Iterator[NullValue]:
    """Yields the null values below a value that is not null. jsonargparse itself refuses null items of containers.

    Args:
        value: value of a parameter, or a part of it.
        classes: classes that the parameter's type names, of which dataclasses in the value are.
        key: dotted key of the value.
    """
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _nulls_within(item, classes, f"{key}.{index}")
    if not isinstance(value, Mapping | Namespace):
        return
    items = _items(value)
    if isinstance(items.get("class_path"), str):
        yield from nulls_of(class_at(items["class_path"]), items.get("init_args") or {}, f"{key}.init_args.")
    elif kind := next((kind for kind in classes if items.keys() <= parameters(kind).keys()), None):
        yield from nulls_of(kind, items, f"{key}.")
    else:
        for name, item in items.items():
            yield from _nulls_within(item, classes, f"{key}.{name}")


def nulls_of(kind: Any, arguments: Mapping[str, Any] | Namespace, prefix: str) -> Iterator[NullValue]:
    """Yields the null values among the arguments of a class or function that its types do not admit.

    Args:
        kind: class or function.
        arguments: values of its arguments by name, as in YAML.
        prefix: what precedes the name of an argument in its dotted key, such as "arms.small.".
    """
    known = parameters(kind)
    for name, value in _items(arguments).items():
        if name in known:
            yield from _nulls(value, known[name].annotation, known[name].default, f"{prefix}{name}")


def _items(arguments: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    return dict(vars(arguments) if isinstance(arguments, Namespace) else arguments)


def parameters(kind: Any) -> dict[str, Any]:
    """Returns the parameters of a class or function by name, with resolved annotations and defaults."""
    found = (
        get_signature_parameters(kind, "__init__")
        if inspect.isclass(kind)
        else get_signature_parameters(kind)
    )
    return {parameter.name: parameter for parameter in found}


def class_at(path: str) -> Any:
    """Returns the class or function that a configuration names, which jsonargparse has imported before."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:  # a class or a method within a class
        return getattr(class_at(module), name)


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


def classes_of(hint: Any) -> Iterator[type]:
    """Yields the classes that a type names, at any depth: `dict[str, Task] | None` names Task."""
    if get_args(hint) and get_origin(hint) is not Literal:
        for part in get_args(hint):
            for item in part if isinstance(part, list) else [part]:
                yield from classes_of(item)
    elif inspect.isclass(hint) and hint.__module__ != "builtins":
        yield hint
