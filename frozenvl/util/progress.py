"""Progress bars on stderr."""

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
    """Context manager for a progress bar: yields a function to call with (done, total).

    A new total restarts the bar. Rates count from the start of the context, even if the bar appears later.

    Args:
        what: description of the work.
        visible: whether to show the bar.
        total: total, if known: the bar is then shown at once, and otherwise at the first call.
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
