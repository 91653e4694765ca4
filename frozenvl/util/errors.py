"""User-facing errors: one line that names the problem and the fix."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from typing import Any


class UserError(Exception):
    """Bad input: the message is one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


class RunError(UserError):
    """Failure in the middle of a run (a full disk, a failed server): exit status 1.

    Args:
        message: error line.
        quiet: whether to print nothing, because another rank prints the same.
    """

    status = 1

    def __init__(self, message: str, quiet: bool = False) -> None:
        super().__init__(message)
        self.quiet = quiet


class Stopped(RunError):
    """End of a run that received a signal.

    Args:
        message: line to print.
        status: exit status of the process.
        quiet: whether to print nothing, because another rank prints the same.
    """

    def __init__(self, message: str, status: int, quiet: bool = False) -> None:
        super().__init__(message, quiet)
        self.status = status


class UnreadableImage(UserError):
    """Image that cannot be read or decoded: training replaces its sample, evaluation counts it as wrong.

    Args:
        message: error line.
        image: the `prompt.Image`, if known.
    """

    def __init__(self, message: str, image: Any = None) -> None:
        super().__init__(message)
        self.image = image


def suggestion(message: str) -> str:
    """Returns what was probably meant in a message of jsonargparse about a class or an argument that does not exist.

    Returns:
        "; did you mean MLP?", or an empty text where nothing is known.
    """
    if found := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        module = sys.modules.get(found[1])
        classes = [name for name, value in vars(module or object).items() if isinstance(value, type)]
        known = list(getattr(module, "__all__", classes))
    elif found := re.search(r"Option '(\w+)' is not accepted", message):
        path = re.search(r"class_path[=' ]+([\w.]+)", message)
        module_name, _, name = path[1].rpartition(".") if path else ("", "", "")
        kind = getattr(sys.modules.get(module_name), name, None)
        known = (
            [key for key in inspect.signature(kind).parameters if key not in ("args", "kwargs")]
            if kind
            else []
        )
    else:
        return ""
    return f"; {nearest(found[found.re.groups], known)}" if known else ""


def nearest(word: str, known: Sequence[str]) -> str:
    """Returns a suggestion for an error line: the closest known word, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
