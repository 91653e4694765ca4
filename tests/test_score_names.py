"""No module lists the names of scores: tables, sweeps and plots get them from the metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "frozenvl"
NAMES = re.compile(r"(?<!--)\b(CIDEr|Bleu_4|ROUGE_L|overall|strict|first_phrase|perplexity|bits_per_byte)\b")
DEFINED = ("training/callbacks/perplexity.py", "training/module.py")
"""Files that compute and describe the losses."""


def texts(file: Path) -> Iterator[str]:
    """Yields the strings of a Python module, with docstrings and f-strings, or the whole text of another file."""
    if file.suffix != ".py":
        yield file.read_text()
        return
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_module_names_a_score():
    found = [
        f"{name}: {match[0]}"
        for room in ("report", "sweep", "commands", "training")
        for file in sorted((PACKAGE / room).rglob("*"))
        if file.suffix in (".py", ".html") and (name := file.relative_to(PACKAGE).as_posix()) not in DEFINED
        for text in texts(file)
        if (match := NAMES.search(text))
    ]
    assert not found
