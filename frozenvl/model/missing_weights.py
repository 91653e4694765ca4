"""Weights that a model's file lacks. transformers and timm fill them in at random, with a warning at most."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.util.errors import UserError


@contextmanager
def recorded_missing() -> Iterator[set[str]]:
    """Context manager that collects the names of weights that `load_state_dict` does not find; timm hides them.

    Calls within the context are not strict: the caller decides whether missing weights matter.
    """
    missing: set[str] = set()
    load = nn.Module.load_state_dict

    def recording(module: nn.Module, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        result = load(module, state_dict, strict=False, assign=assign)
        missing.update(result.missing_keys)
        return result

    nn.Module.load_state_dict = recording  # type: ignore[method-assign,assignment]
    try:
        yield missing
    finally:
        nn.Module.load_state_dict = load  # type: ignore[method-assign]


def unused_weights(model: nn.Module, names: Collection[str], run: Callable[[], Tensor]) -> set[str]:
    """Returns those of the named parameters that the result of `run` does not depend on."""
    parameters = {name: value for name, value in model.named_parameters() if name in names}
    trained = {name: value.requires_grad for name, value in parameters.items()}
    try:
        with torch.enable_grad():
            for value in parameters.values():
                value.requires_grad_(True)
            result = run()
            if not result.requires_grad:
                return set(parameters)
            gradients = torch.autograd.grad(result.sum(), list(parameters.values()), allow_unused=True)
    finally:
        for name, value in parameters.items():
            value.requires_grad_(trained[name])
    return {name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None}


def without(model: nn.Module, names: Collection[str], run: Callable[[], Tensor]) -> None:
    """Removes unused parameters, with each module that holds no others.

    Args:
        model: model to change.
        names: names of parameters that the result of `run` does not depend on.
        run: function that runs the model; it must still work.
    """
    kept = {name for name, _ in model.named_parameters()} - set(names)
    removable = sorted(owner_of(name, kept) for name in names)
    for path in dict.fromkeys(removable):
        parent_path, _, name = path.rpartition(".")
        parent: Any = model.get_submodule(parent_path)
        # A model asks for None before it calls an optional module. Others call it; they get one that does nothing.
        is_module = name in parent._modules
        setattr(parent, name, None)
        if is_module and not runs(run):
            setattr(parent, name, nn.Identity())


def owner_of(name: str, kept: Collection[str]) -> str:
    """Returns the path of the largest module around a parameter that has none of the `kept` ones, or its own name."""
    words = name.split(".")
    for end in range(1, len(words)):
        module = ".".join(words[:end])
        if not any(other.startswith(f"{module}.") for other in kept):
            return module
    return name


def runs(function: Callable[[], Any]) -> bool:
    """Returns whether a call raises no exception."""
    try:
        with torch.no_grad():
            function()
    except Exception:  # a model may raise anything when a module is gone
        return False
    return True


def refuse_missing(what: str, names: Collection[str], remedy: str) -> None:
    """Raises `UserError` if there are missing weights.

    Args:
        what: name of the model, for the message.
        names: names of the missing weights.
        remedy: end of the message.
    """
    if names:
        shown = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise UserError(f"{what}: its file lacks {shown}, which would be random; {remedy}")
