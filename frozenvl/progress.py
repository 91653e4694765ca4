"""Progress of long work, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_line(what: str, visible: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar that appears with the first report of (done, total); a new total starts a new count."""
    bar: tqdm | None = None

    def report(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            every = 0.1 if sys.stderr.isatty() else 10
            bar = tqdm(total=total, desc=what, disable=not visible, mininterval=every, file=sys.stderr)
        bar.update(done - bar.n)

    try:
        yield report
    finally:
        if bar is not None:
            bar.close()
