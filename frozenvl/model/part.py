"""`Part`: a component of a model, how it was made, what of it is trained, and what a checkpoint must find again."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

from torch import Tensor, nn

from frozenvl.util.errors import UserError


class Part(nn.Module):
    """A component of a model: language model, encoder, mapper, fusion, tuning, head or objective.

    Checkpoints, exports, learning rates, DDP and the plan go through the parts of a model by these methods alone. A
    part remembers the arguments that it was made with.
    """

    arguments: dict[str, Any]
    """The constructor's arguments by name, in its order."""

    def __new__(cls, *values: Any, **named: Any) -> Any:
        made = super().__new__(cls)
        signature = inspect.signature(cls.__init__)
        arguments: dict[str, Any] = {}
        # Not all of them have to be there: a copy is made without, and given what it was made with after that.
        for name, value in list(signature.bind_partial(made, *values, **named).arguments.items())[1:]:
            whole = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
            arguments |= value if whole else {name: value}
        object.__setattr__(made, "arguments", arguments)
        return made

    def trained(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of this part, by name: all of its tensors where any is trained, else none."""
        return dict(self.state_dict()) if any(weight.requires_grad for weight in self.parameters()) else {}

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must find again of a part that it does not hold; empty where all of it is trained."""
        return {}


def description(part: Part, given: int = 0) -> dict[str, Any]:
    """The part as YAML and exports name it: {class_path, init_args}.

    Args:
        given: number of leading arguments to leave out, since the model gives them.

    Raises:
        UserError: the part was made with anything but plain data.
    """
    arguments = dict(list(part.arguments.items())[given:])
    for name, value in arguments.items():
        try:
            json.dumps(value)
        except TypeError:
            raise UserError(
                f"{type(part).__name__} was made with {name} = {value!r}; an export holds names and numbers alone"
            ) from None
    return {"class_path": path_of(type(part)), "init_args": arguments}


def path_of(kind: type) -> str:
    """The class path of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def kind_at(path: str, base: type) -> Any:
    """The class of a class path, in a module that is imported already: an export never has anything imported.

    Raises:
        UserError: there is no such class, or it is no concrete subclass of the base.
    """
    module, _, name = path.rpartition(".")
    kind = getattr(sys.modules.get(module), name, None)
    if not isinstance(kind, type) or not issubclass(kind, base) or inspect.isabstract(kind):
        raise UserError(
            f"{path!r} is no {base.__name__} that is known here; import a class of your own before: an export is not "
            "trusted to import anything"
        )
    return kind
