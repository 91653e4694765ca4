"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def print_beside(corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Prints a table; where it is too wide for the terminal and turned over is narrower, a row for each of its columns.

    Args:
        corner: the heading of the rows' names.
        rows: a name, and a cell for each column.
    """
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Column, Table
    from rich.text import Text

    def table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Table:
        made = Table(*(Column(Text(name), overflow="fold") for name in (corner, *columns)))
        for name, cells in rows:
            made.add_row(*(Text(text) for text in (name, *cells)))
        return made

    def width(table: Table) -> int:
        return Measurement.get(console, console.options.update(width=10_000), table).maximum

    console = Console()
    upright = table(columns, rows)
    turned = table(
        [name for name, _ in rows],
        [(column, [cells[place] for _, cells in rows]) for place, column in enumerate(columns)],
    )
    chosen = upright if width(upright) <= max(console.width, width(turned)) else turned
    if not console.is_terminal:
        console.width = max(console.width, width(chosen))  # in a file rather too wide than broken
    console.print(chosen)
