"""Progress bars on stderr: one line a stage, with the time that is left. Without a terminal, lines of a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

SECONDS_BETWEEN = {True: 0.1, False: 30.0}
"""Whether stderr is a terminal → seconds between two states of a bar."""


CURSOR_UP = "\x1b[A"
"""What tqdm writes to come back from the line of a second bar."""


class LogLines:
    """Text file that writes each new count of a progress bar as a line of its own, instead of over the one before.

    Args:
        file: file that gets the lines.
    """

    def __init__(self, file: TextIO) -> None:
        self.file, self.encoding = file, getattr(file, "encoding", None)
        self._last = ""

    def write(self, text: str) -> int:
        line = text.replace(CURSOR_UP, "").strip()
        count = line.partition(" [")[0]
        if line and count != self._last:
            self._last = count
            self.file.write(line + "\n")
        return len(text)

    def flush(self) -> None:
        self.file.flush()


def progress_bar(
    what: str,
    unit: str,
    total: int | None,
    done: int = 0,
    *,
    visible: bool = True,
    with_rate: bool = True,
) -> tqdm:
    """Returns a progress bar, which is shown at once.

    Args:
        what: description of the work.
        unit: what is counted, in the plural: "images".
        total: number at the end, if known.
        done: number at the start.
        visible: whether to show the bar.
        with_rate: whether the line says how many a second.
    """
    terminal = sys.stderr.isatty()
    count = "{n_fmt}" if total is None else "{n_fmt}/{total_fmt}"
    left = "" if total is None else "<{remaining}"
    rate = ", {rate_noinv_fmt}" if with_rate else ""
    return tqdm(
        initial=done,
        total=total,
        desc=what,
        unit=f" {unit}",
        file=sys.stderr if terminal else LogLines(sys.stderr),
        disable=not visible,
        dynamic_ncols=terminal,
        mininterval=SECONDS_BETWEEN[terminal],
        bar_format=f"{{desc}}: {count}{{unit}} [{{elapsed}}{left}{rate}{{postfix}}]",
    )


@contextmanager
def progress_line(
    what: str, unit: str, visible: bool = True, total: int | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Context manager for a progress bar: yields a function to call with (done, total).

    A new total restarts the bar. Rates count from the start of the context, even if the bar appears later.

    Args:
        what: description of the work.
        unit: what is counted, in the plural.
        visible: whether to show the bar.
        total: total, if known: the bar is then shown at once, and otherwise at the first call.
    """
    bar: tqdm | None = None
    since = time.time()

    def begin(total: int) -> tqdm:
        made = progress_bar(what, unit, total, visible=visible)
        made.start_t = made.last_print_t = since
        return made

    def report(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = begin(total)
        elif bar.total != total:
            bar.reset(total)
        bar.update(done - bar.n)

    if total is not None:
        bar = begin(total)
    try:
        yield report
    finally:
        if bar is not None:
            bar.close()
