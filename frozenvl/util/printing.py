"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_beside(corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Prints a table. One too wide for the terminal is transposed if that makes it narrower.

    Args:
        corner: heading of the column of row names.
        columns: headings of the other columns.
        rows: rows as (name, cells), with a cell per column.
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
    transposed = table(
        [name for name, _ in rows],
        [(column, [cells[place] for _, cells in rows]) for place, column in enumerate(columns)],
    )
    chosen = upright if whole_width(upright) <= max(console.width, whole_width(transposed)) else transposed
    if not console.is_terminal:
        console.width = max(
            console.width, whole_width(chosen)
        )  # no line breaks in a file, even if lines are long
    console.print(chosen)


def whole_width(table: Table) -> int:
    """Returns the width of a table in characters if no cell is wrapped."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, table).maximum
