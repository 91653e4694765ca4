"""Lines of the tables that `data.py` and `data_lanes.py` print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Line:
    """A line of the table: two measurements, a value computed from them, and the target for that value."""

    what: str
    """Name of the line."""
    ours: str
    """Measurement of frozenvl, with its unit."""
    theirs: str
    """Measurement of the other side, with its unit; empty if there is none."""
    value: float
    """Ratio of the two, or frozenvl's number itself."""
    aim: str
    """Target for `value`, such as "≥ 1.5"."""

    @property
    def reached(self) -> bool:
        """Whether `value` meets the target."""
        sign, number = self.aim.split()[:2]
        return self.value >= float(number) if sign == "≥" else self.value <= float(number)


def print_table(lines: Iterable[Line]) -> None:
    """Prints lines as a table in Markdown."""
    print("| | frozenvl | other | ratio or value | target | |\n|---|---|---|---|---|---|")
    for line in lines:
        met = "reached" if line.reached else "missed"
        print(f"| {line.what} | {line.ours} | {line.theirs or '–'} | {line.value:.2f} | {line.aim} | {met} |")
