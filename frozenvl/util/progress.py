"""Progress of long work, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_line(
    what: str, visible: bool = True, total: int | None = None
) -> Iterator[Callable[[int, int], None]]:
    """A bar of reports of (done, total); a new total starts a new count.

    It stands at 0 from the start where the total is known by then, else it appears with the first report. Rates are
    of the time since the start either way, so that a first report of work already done claims no speed.
    """
    bar: tqdm | None = None
    since = time.time()

    def begin(total: int) -> tqdm:
        every = 0.1 if sys.stderr.isatty() else 10
        made: tqdm = tqdm(total=total, desc=what, disable=not visible, mininterval=every, file=sys.stderr)
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
