"""Measures how training scales: one process with one thread, one with two, and two processes with one thread each.

`python benchmarks/scaling.py DATA` runs `frozenvl fit` on configs/flickr8k.yaml for some steps in each setup in turn,
with the same global batches. It needs the small models of `frozenvl fetch`. It prints pairs per second, their ratio,
the share of a step in all-reduce (gloo, with the wait for the other rank), and the time and size of a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import median

from plan import brief, command, fits

WAYS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}
"""Name of a setup → number of processes, threads of each."""


def measure(data: Path, ranks: int, threads: int, batch: int, steps: int) -> dict[str, float]:
    """Runs one fit; returns the measurements of the callback `Communication`."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    flickr = next(iter(fits(data).values()))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        callback = ["--trainer.callbacks+=plan_turns.Communication", "--trainer.callbacks.out", str(out)]
        where = ["--trainer.devices", str(ranks), "--trainer.strategy", "ddp_fork" if ranks > 1 else "auto"]
        size = ["--data.batch_size", str(batch)]
        command("fit", *brief(flickr, steps), *callback, *where, *size, folder=folder)
        return json.loads(out.read_text())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, metavar="DATA")
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--rounds", type=int, default=2)
    asked = options.parse_args()
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for _ in range(asked.rounds):
        for name, (ranks, threads) in WAYS.items():
            measured[name].append(measure(asked.data.absolute(), ranks, threads, asked.batch, asked.steps))
    first = median(run["seconds"] for run in next(iter(measured.values())))
    print(f"global batches of {asked.batch}, {asked.steps} steps, {asked.rounds} rounds in turns\n")
    print("| | pairs/s | speed relative to the first | share of a step in all-reduce |\n|---|---|---|---|")
    for name, runs in measured.items():
        seconds = median(run["seconds"] for run in runs)
        share = median(run["waited"] / run["seconds"] for run in runs)
        print(f"| {name} | {asked.batch / seconds:.2f} | {first / seconds:.2f} | {share:.1%} |")
    single = next(iter(measured.values()))
    size, *took = (median(run[key] for run in single) for key in ("checkpoint", "write", "read"))
    print(f"\ncheckpoint: {size / 1e6:.1f} MB, written in {took[0]:.2f} s, read in {took[1]:.2f} s")


if __name__ == "__main__":
    main()
