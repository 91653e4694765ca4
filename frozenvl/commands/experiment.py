"""`fit`, `validate`, `test`, `predict`: Lightning's command line on a FrozenModule and FrozenData."""

from __future__ import annotations

from jsonargparse import ArgumentError

from frozenvl.training.command_line import FrozenCLI, make
from frozenvl.training.configuration import names_module, one_line
from frozenvl.util.errors import UserError


def run(arguments: list[str]) -> int:
    """Runs a subcommand; returns the exit status.

    Raises:
        UserError: whatever is wrong with the arguments, in one line.
    """
    try:
        make(FrozenCLI, arguments, module=names_module(arguments))
    except ArgumentError as error:
        raise UserError(one_line(str(error))) from error
    return 0
