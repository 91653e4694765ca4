"""Times frozenvl and a baseline on the same work in turns, and prints a row of a table."""

from __future__ import annotations

import time
from collections.abc import Callable

HEADER = """\
| | baseline, per s | frozenvl, per s | ratio | ratio by CPU time | target | answers that differ |
|---|---|---|---|---|---|---|"""


def compare(
    name: str,
    rounds: int,
    aim: float,
    exact: bool,
    ours: tuple[int, Callable[[], list[str]]],
    theirs: tuple[int, Callable[[], list[str]]],
) -> None:
    """Runs both sides in turns and prints a row with the best round of each.

    Args:
        name: name of the row.
        rounds: number of rounds.
        aim: target for the ratio.
        exact: true to require equal answers.
        ours: number of answers of frozenvl, and the function that returns them.
        theirs: the same of the baseline; it may answer every n-th query only.
    """
    rates: list[list[float]] = [[], []]
    work: list[list[float]] = [[], []]
    texts: list[list[str]] = [[], []]
    for _ in range(rounds):
        for side, (count, run) in enumerate((theirs, ours)):
            start, busy = time.perf_counter(), time.process_time()
            texts[side] = run()
            rates[side].append(count / (time.perf_counter() - start))
            work[side].append(count / (time.process_time() - busy))
    stride = len(texts[1]) // len(texts[0])  # the baseline may caption every tenth image only
    pairs = list(zip(texts[0], texts[1][::stride], strict=False))
    flips = sum(one != other for one, other in pairs)
    assert not (exact and flips), [pair for pair in pairs if pair[0] != pair[1]]
    assert len(set(texts[1])) > 1
    slow, fast = (max(rate) for rate in rates)
    slow_cpu, fast_cpu = (max(rate) for rate in work)
    cells = [name, f"{slow:.2f}", f"{fast:.2f}", f"{fast / slow:.1f}", f"{fast_cpu / slow_cpu:.1f}", aim]
    print("|", " | ".join(map(str, cells)), f"| {flips} of {len(pairs)} |", flush=True)
