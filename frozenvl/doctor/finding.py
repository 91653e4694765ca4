"""What a check found, and how it is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, TypeAlias

Level: TypeAlias = Literal["ok", "note", "warning", "error"]
"""How bad it is. A note says what is not there and not needed by all; with an error, runs will fail."""


class Finding(NamedTuple):
    """One line of the result."""

    level: Level
    text: str
    remedy: str = ""
    """What to do; empty if there is nothing to do."""


Check: TypeAlias = Callable[[], Iterable[Finding]]


def line_of(name: str, finding: Finding) -> str:
    """Returns the line of a finding."""
    remedy = f" → {finding.remedy}" if finding.remedy else ""
    return f"{finding.level:<8} {name}: {finding.text}{remedy}"


def summary(found: Iterable[Finding]) -> str:
    """Returns the last line: how many errors and warnings there are."""
    levels = [finding.level for finding in found]
    errors, warnings = levels.count("error"), levels.count("warning")
    if not errors and not warnings:
        return "nothing is wrong"
    return ", ".join(
        f"{count} {word}{'s' if count > 1 else ''}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    )
