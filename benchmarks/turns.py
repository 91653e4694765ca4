"""Two ways of the same work, in turns, as a row of a table."""

from __future__ import annotations

import time
from collections.abc import Callable

HEADER = """\
| | straightforward, per s | here, per s | ratio | of CPU time | aim | answers that differ |
|---|---|---|---|---|---|---|"""


def compare(
    name: str,
    rounds: int,
    aim: float,
    exact: bool,
    ours: tuple[int, Callable[[], list[str]]],
    theirs: tuple[int, Callable[[], list[str]]],
) -> None:
    """Alternates both ways, each with how many it answers, and prints a row: the best of each."""
    rates: list[list[float]] = [[], []]
    work: list[list[float]] = [[], []]
    said: list[list[str]] = [[], []]
    for _ in range(rounds):
        for side, (count, run) in enumerate((theirs, ours)):
            start, busy = time.perf_counter(), time.process_time()
            said[side] = run()
            rates[side].append(count / (time.perf_counter() - start))
            work[side].append(count / (time.process_time() - busy))
    apart = len(said[1]) // len(said[0])  # of captions, theirs are but every tenth
    pairs = list(zip(said[0], said[1][::apart], strict=False))
    flips = sum(one != other for one, other in pairs)
    assert not (exact and flips), [pair for pair in pairs if pair[0] != pair[1]]
    assert len(set(said[1])) > 1
    slow, fast = (max(rate) for rate in rates)
    lazy, busy = (max(rate) for rate in work)
    cells = [name, f"{slow:.2f}", f"{fast:.2f}", f"{fast / slow:.1f}", f"{busy / lazy:.1f}", aim]
    print("|", " | ".join(map(str, cells)), f"| {flips} of {len(pairs)} |", flush=True)
