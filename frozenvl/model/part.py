"""`Part`: base class of a model's components. It records constructor arguments, trained tensors and identity."""

from __future__ import annotations

import inspect
import json
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar

from torch import Tensor, nn

from frozenvl.util.errors import UserError

PARTS = ("frozenvl.model.", "frozenvl.objectives.")
"""Beginnings of the modules that an export may import: the package's own parts."""


class Part(nn.Module):
    """A component of a model: language model, encoder, mapper, fusion, tuning, head or objective.

    Checkpoints, exports, learning rates, DDP and the plan use these methods only. A part records the arguments of its
    constructor.
    """

    arguments: dict[str, Any]
    """Constructor arguments by name, in the order of its signature."""
    undecayed: ClassVar[tuple[str, ...]] = ()
    """Names of weights that are trained without weight decay, such as a temperature."""

    def __new__(cls, *values: Any, **named: Any) -> Any:
        part = super().__new__(cls)
        signature = inspect.signature(cls.__init__)
        arguments: dict[str, Any] = {}
        # Partial: `copy` and `pickle` call this without arguments, and restore the attribute afterwards.
        for name, value in list(signature.bind_partial(part, *values, **named).arguments.items())[1:]:
            is_keywords = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            arguments |= value if is_keywords else {name: value}
        object.__setattr__(part, "arguments", arguments)
        return part

    def trained(self) -> dict[str, Tensor]:
        """Returns the tensors that a checkpoint saves, by name: all of the part if any weight is trained, else none."""
        return dict(self.state_dict()) if any(weight.requires_grad for weight in self.parameters()) else {}

    def identity(self) -> dict[str, Any]:
        """Returns the settings that a checkpoint must match, such as fingerprints; none by default."""
        return {}


def description(part: Part, given: int = 0) -> dict[str, Any]:
    """Returns the part's description for YAML and exports: {class_path, init_args}.

    Args:
        part: part to describe.
        given: number of leading arguments to leave out because the model supplies them.

    Raises:
        UserError: if an argument is not plain (JSON) data.
    """
    arguments = {name: _plain(value) for name, value in list(part.arguments.items())[given:]}
    for name, value in arguments.items():
        try:
            json.dumps(value)
        except TypeError:
            raise UserError(
                f"{type(part).__name__} was made with {name} = {value!r}; an export holds names and numbers alone"
            ) from None
    return {"class_path": path_of(type(part)), "init_args": arguments}


def _plain(value: Any) -> Any:
    """Returns an argument with the parts in it described."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return description(value) if isinstance(value, Part) else value


def path_of(kind: type) -> str:
    """Returns the class path of a class, such as `frozenvl.model.mappers.mlp.MLP`."""
    return f"{kind.__module__}.{kind.__qualname__}"


def kind_at(path: str, base: type) -> Any:
    """Returns the class at a class path. Modules of other packages must be imported already, and are never imported.

    Raises:
        UserError: if there is no such class, or it is not a concrete subclass of `base`.
    """
    module, _, name = path.rpartition(".")
    if module.startswith(PARTS):
        with suppress(ImportError):
            import_module(module)
    kind = getattr(sys.modules.get(module), name, None)
    if not isinstance(kind, type) or not issubclass(kind, base) or inspect.isabstract(kind):
        raise UserError(
            f"{path!r} is no {base.__name__} that is known here; import a class of your own before: an export is not "
            "trusted to import anything"
        )
    return kind
