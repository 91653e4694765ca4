"""User-facing errors: one line that names the problem and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class UserError(Exception):
    """Bad input: the message is one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


class RunError(UserError):
    """A run that started well and failed midway (a full disk, a failed server): exit status 1.

    Args:
        message: one line.
        quiet: whether another rank says so already.
    """

    status = 1

    def __init__(self, message: str, quiet: bool = False) -> None:
        super().__init__(message)
        self.quiet = quiet


class Stopped(RunError):
    """A run that was told to stop by a signal.

    Args:
        message: one line.
        status: of the process.
        quiet: whether another rank says so already.
    """

    def __init__(self, message: str, status: int, quiet: bool = False) -> None:
        super().__init__(message, quiet)
        self.status = status


class UnreadableImage(UserError):
    """An image whose content cannot be had: training replaces its sample, evaluation counts it as wrong.

    Args:
        message: one line.
        image: the `prompt.Image`, where it is known.
    """

    def __init__(self, message: str, image: Any = None) -> None:
        super().__init__(message)
        self.image = image


def nearest(word: str, known: Sequence[str]) -> str:
    """A suggestion for an error line: the known word that may have been meant, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
