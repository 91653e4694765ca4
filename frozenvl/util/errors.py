"""User-facing errors: one line that names the problem and the fix."""

from __future__ import annotations

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


class LongSample(UserError):
    """Conversation whose first turn is longer than the language model's context: training replaces its sample.

    Args:
        message: error line.
        sample: id of the sample.
    """

    def __init__(self, message: str, sample: str) -> None:
        super().__init__(message)
        self.sample = sample
