"""Lines that the commands print about inputs and results."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def note(line: str) -> None:
    """Prints a line on stderr."""
    print(f"frozenvl: {line}", file=sys.stderr)


def note_unreadable(reasons: Sequence[str]) -> None:
    """Lists unreadable images on stderr, each with its reason, and their number."""
    for reason in reasons:
        note(reason)
    if reasons:
        note(f"{len(reasons)} unreadable image{'s were' if len(reasons) > 1 else ' was'} left out")


def row(*cells: object) -> None:
    """Prints a line of cells with tabs between them. File names that are no UTF-8 are printed with placeholders."""
    text = "\t".join(str(cell) for cell in cells)
    print(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
