"""The table of `data.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Line:
    """A line of the table. The aim holds for `value`; the others say where it comes from."""

    what: str
    ours: str
    theirs: str
    value: float
    aim: str
    """Such as "≥ 1.5"."""

    @property
    def reached(self) -> bool:
        sign, number = self.aim.split()[:2]
        return self.value >= float(number) if sign == "≥" else self.value <= float(number)
