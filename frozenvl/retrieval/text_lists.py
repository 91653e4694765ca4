"""Reads lists of texts and labels: one a line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from frozenvl.util.errors import UserError
from frozenvl.util.text_files import as_text, text_lines

STDIN = Path("-")
"""File name that stands for standard input."""


def read_texts(path: Path) -> tuple[list[str], int]:
    """Reads a text file with a text in each line, without white space around it.

    Args:
        path: the file; `-` is standard input.

    Returns:
        The texts, and the number of empty lines that were left out.

    Raises:
        UserError: if the file cannot be read or holds no text.
    """
    lines = _lines_of_stdin() if path == STDIN else text_lines(path)
    texts = [line.strip() for line in lines]
    kept = [text for text in texts if text]
    if not kept:
        where = "standard input" if path == STDIN else str(path)
        raise UserError(f"{where}: holds no text; write one in each line")
    return kept, len(texts) - len(kept)


def _lines_of_stdin() -> list[str]:
    text = as_text(sys.stdin.buffer.read(), Path("standard input"))
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def check_labels(labels: Sequence[str], where: str) -> list[str]:
    """Returns the labels without white space around them.

    Args:
        labels: names of the classes.
        where: name of the file or option that they come from, for messages.

    Raises:
        UserError: if there are fewer than two labels, one is empty, or one stands there twice.
    """
    cleaned = [label.strip() for label in labels]
    if "" in cleaned:
        raise UserError(f"{where}: label {cleaned.index('') + 1} is empty; leave it out")
    if len(cleaned) < 2:
        raise UserError(f"{where}: {len(cleaned)} label; a choice needs at least two")
    first: dict[str, int] = {}
    for place, label in enumerate(cleaned):
        if first.setdefault(label, place) != place:
            raise UserError(
                f"{where}: the label {label!r} stands there twice ({first[label] + 1} and {place + 1}); remove one of "
                "them, because they would share its probability"
            )
    return cleaned
