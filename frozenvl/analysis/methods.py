"""Methods by name, and methods of one's own by class path."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from frozenvl.analysis.method import Method
from frozenvl.util.errors import UserError

METHODS = {
    "occlusion": "frozenvl.analysis.occlusion.Occlusion",
    "integrated_gradients": "frozenvl.analysis.integrated_gradients.IntegratedGradients",
    "grad_cam": "frozenvl.analysis.grad_cam.GradCAM",
    "lime": "frozenvl.analysis.lime.Lime",
    "kernel_shap": "frozenvl.analysis.shapley.KernelShap",
    "shapley_sampling": "frozenvl.analysis.shapley.ShapleySampling",
    "attention": "frozenvl.analysis.attention.Attention",
    "activations": "frozenvl.analysis.activations.Activations",
}
"""Class path of each method of the package, by name."""


def method_class(name: str) -> type[Method]:
    """Returns the class of a method.

    Args:
        name: name of `METHODS`, or a class path.

    Raises:
        UserError: if there is no such class, or it is no method.
    """
    path = METHODS.get(name, name)
    module, _, kind = path.rpartition(".")
    try:
        made = getattr(import_module(module), kind) if module else None
    except (ImportError, AttributeError):
        made = None
    if not (isinstance(made, type) and issubclass(made, Method)):
        raise UserError(
            f"no method {name!r}; there are {', '.join(METHODS)}, or the class path of a `Method`"
        )
    return made


def methods_of(names: list[str], options: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Method]:
    """Makes methods. Each gets the options and settings that its class takes.

    Args:
        names: names or class paths.
        options: arguments by name, which methods that do not take them do without; None for a default.
        settings: further arguments by name.

    Raises:
        UserError: if a setting is taken by no method, or a value is refused.
    """
    kinds = [method_class(name) for name in names]
    takes = [list(inspect.signature(kind).parameters) for kind in kinds]
    for key in settings:
        if not any(key in keys for keys in takes):
            known = ", ".join(dict.fromkeys(key for keys in takes for key in keys))
            raise UserError(f"none of the methods has a setting {key!r}; they have {known}")
    wanted = {key: value for key, value in options.items() if value is not None} | dict(settings)
    return [
        kind(**{key: value for key, value in wanted.items() if key in keys})
        for kind, keys in zip(kinds, takes, strict=True)
    ]
