"""What is said to a person when something that they gave cannot be used."""


class UserError(Exception):
    """Bad input: the message is one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


class RunError(UserError):
    """A run that started well and failed midway (a full disk, a failed server): exit status 1."""

    status = 1


class UnreadableImage(UserError):
    """An image whose content cannot be had: training replaces its sample, evaluation counts it as wrong."""
