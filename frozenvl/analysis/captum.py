"""Access to captum (Kokhlikyan et al. 2020, arXiv:2009.07896), an optional library."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from frozenvl.util.errors import UserError


def captum_module(name: str) -> Any:
    """Returns a module of captum.

    Raises:
        UserError: if captum is not installed.
    """
    try:
        return import_module(f"captum.{name}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"the method needs the library captum ({error.name} is missing); install it with "
            "`pip install 'frozenvl[explain]'`, or use the method occlusion"
        ) from None
