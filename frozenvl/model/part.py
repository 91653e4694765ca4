"""What a part of a model was made with, so that it can be made again elsewhere."""

from __future__ import annotations

import inspect
import json
from typing import Any

from frozenvl.util.errors import UserError


class Described:
    """Remembers the arguments that it was made with."""

    arguments: dict[str, Any]
    """By the constructor's names, in its order."""

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


def description(part: Described, given: int = 0) -> dict[str, Any]:
    """A part as YAML and exports name it: {class_path, init_args}.

    Args:
        given: how many arguments, the first ones, are not told, since its maker gives them.

    Raises:
        UserError: where it was made with anything but plain data.
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
    return f"{kind.__module__}.{kind.__qualname__}"


def kind_at(path: str, base: type) -> Any:
    """The class of a path, among those that are imported already: an export never has anything imported.

    Raises:
        UserError: where there is none, or it is no subclass of the base.
    """
    known, rest = {}, [base]
    while rest:
        kind = rest.pop()
        rest += kind.__subclasses__()
        if not inspect.isabstract(kind):
            known[path_of(kind)] = kind
    if path not in known:
        raise UserError(
            f"{path!r} is no {base.__name__} that is known here; import a class of your own before: an export is not "
            "trusted to import anything"
        )
    return known[path]
