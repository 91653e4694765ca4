"""`fit`, `validate`, `test`, `predict`: Lightning's command line on a FrozenModule and FrozenData."""

from __future__ import annotations

from frozenvl.training.command_line import FrozenCLI
from frozenvl.training.configuration import names_module
from frozenvl.training.parsing import make


def run(arguments: list[str]) -> int:
    """Runs a subcommand; returns the exit status.

    Raises:
        UserError: if the arguments are invalid; the message is one line.
    """
    make(FrozenCLI, arguments, module=names_module(arguments))
    return 0
