"""Class paths of the package's components, as they are written in YAML."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType


def class_paths(base: type) -> list[str]:
    """Returns the class paths of the subclasses of a class that can be built, sorted: the shortest path of each."""
    import_all(base.__module__.rpartition(".")[0])
    return sorted(
        {shortest(kind) for kind in below(base) if not inspect.isabstract(kind) and is_public(kind)}
    )


def below(base: type) -> Iterator[type]:
    """Yields a class and all of its subclasses."""
    yield base
    subclasses: list[type] = base.__subclasses__()
    for kind in subclasses:
        yield from below(kind)


def is_public(kind: type) -> bool:
    return kind.__module__.startswith("frozenvl.") and not kind.__name__.startswith("_")


@cache
def import_all(package: str) -> None:
    """Imports all modules of a package, so that its classes are known."""
    found: ModuleType = importlib.import_module(package)
    for module in pkgutil.walk_packages(getattr(found, "__path__", ()), f"{package}."):
        importlib.import_module(module.name)


def shortest(kind: type) -> str:
    """Returns the shortest dotted name under which a class can be imported."""
    parts = kind.__module__.split(".")
    for end in range(1, len(parts)):
        package = ".".join(parts[:end])
        if getattr(importlib.import_module(package), kind.__name__, None) is kind:
            return f"{package}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__name__}"
