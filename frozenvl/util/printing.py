"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_beside(corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Prints a table; where it is too wide for the terminal and turned over is narrower, a row for each of its columns.

    Args:
        corner: the heading of the rows' names.
        rows: a name, and a cell for each column.
    """
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    def table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Table:
        made = Table(*(Column(Text(name), overflow="fold") for name in (corner, *columns)))
        for name, cells in rows:
            made.add_row(*(Text(text) for text in (name, *cells)))
        return made

    console = Console()
    upright = table(columns, rows)
    turned = table(
        [name for name, _ in rows],
        [(column, [cells[place] for _, cells in rows]) for place, column in enumerate(columns)],
    )
    chosen = upright if whole_width(upright) <= max(console.width, whole_width(turned)) else turned
    if not console.is_terminal:
        console.width = max(console.width, whole_width(chosen))  # in a file rather too wide than broken
    console.print(chosen)


def whole_width(table: Table) -> int:
    """Characters that a table takes where no cell is broken."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, table).maximum
