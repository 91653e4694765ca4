"""Runs the cells of a notebook in this process: Python, `!frozenvl` lines, `%cd` and `%%writefile`."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frozenvl.cli import main

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


BRACES = re.compile(r"\{([^{}]+)\}")
"""Python expressions in a command, which IPython replaces by their values."""


def run_notebook(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Runs the code cells of a notebook, and returns its variables.

    Args:
        name: name of the notebook.
        parameters: values that replace those of the cell with the tag `parameters`, as papermill does.

    Raises:
        AssertionError: if a command fails, or the notebook has no such parameter.
    """
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    variables: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        run_cell("".join(cell["source"]), variables)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert parameters.keys() <= variables.keys()
            variables |= parameters
    return variables


def run_cell(source: str, variables: dict[str, Any]) -> None:
    """Runs a cell. Its lines are all of Python, or all of commands."""
    first, _, rest = source.partition("\n")
    if first.startswith("%%writefile "):
        Path(first.split()[1]).write_text(rest)
    elif first.startswith(("!", "%")):
        for line in source.splitlines():
            text = BRACES.sub(lambda match: str(eval(match[1], variables)), line)
            program, *arguments = shlex.split(text)
            if program == "%cd":
                os.chdir(arguments[0])
            else:
                assert program == "!frozenvl" and main(arguments) == 0, line
    else:
        exec(compile(source, "cell", "exec"), variables)
