"""Runs a function on pieces of work in several processes, which import nothing but the function's module."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def results_of(work: Callable[[Piece], Result], pieces: Sequence[Piece], processes: int) -> Iterator[Result]:
    """Yields the result of each piece in order: computed in new processes, or here if that is not possible.

    Processes are started anew ("spawn") because a copy of a process with threads can hang. A script that calls this
    with more than one process therefore needs `if __name__ == "__main__":`.

    Args:
        work: function of a module. It, pieces and results have to be picklable.
        pieces: work to do.
        processes: number of processes; with 1, all is computed here.
    """
    done = 0
    if min(processes, len(pieces)) > 1:
        try:
            with ProcessPoolExecutor(
                min(processes, len(pieces)), mp_context=get_context("spawn"), initializer=_start
            ) as pool:
                for result in pool.map(work, pieces):
                    yield result
                    done += 1
        except (BrokenProcessPool, OSError):  # no memory, no semaphores, or a process was killed
            pass
    for piece in pieces[done:]:
        yield work(piece)


def _start() -> None:
    """Prepares a new process: the first one handles Ctrl+C, and its end is the end of the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (first := parent_process()) is not None:
        first.join()
        os._exit(1)
