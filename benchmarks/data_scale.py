"""Measures start-up, memory and resuming with an index of millions of samples, each in fresh processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from data_material import write_index
from data_table import Line
from torch.utils.data import DataLoader

from frozenvl.data.collate import TrainingBatches
from frozenvl.data.shards.files import INDEX
from frozenvl.data.sources.shards import Shards
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.training.loaders import Indices, reads_only

BATCH, WORKERS, BATCHES = 64, 4, 600


def contents(samples: Sequence[Any]) -> list[int]:
    """Reads the bytes of the images without decoding them, because the tars have no content."""
    return [len(sample.images[0].content()) for sample in samples]


def memory(processes: Sequence[int], index: Path) -> float:
    """Returns the private memory of processes and their share of the index in MB; shared pages are counted once.

    The code of libraries is left out, since its share depends on the other processes of the machine.
    """
    total = 0
    for process in processes:
        rollup, maps = (Path(f"/proc/{process}/{name}").read_text() for name in ("smaps_rollup", "smaps"))
        private = re.findall(r"^Pss_(?:Anon|Shmem): +([0-9]+)", rollup, re.MULTILINE)
        mapped = re.findall(rf"{re.escape(str(index))}\n(?:.*\n)*?Pss: +([0-9]+)", maps)
        total += sum(map(int, private + mapped))
    return total / 1024


def measured_here(folder: Path, share: float) -> dict[str, float]:
    """Opens the index in this process and reads batches.

    Args:
        folder: folder of the tars and the index.
        share: part of the epoch that the first batch skips, 0 to 1.

    Returns:
        Seconds to the first batch, and MB of this process alone and together with the workers.
    """
    began = time.perf_counter()
    stream = TrainingStream({"captions": Task(Shards(str(folder)))}, seed=0)
    batches = TrainingBatches(stream, contents)  # type: ignore[arg-type]
    first = int(share * stream.order.epoch_length())
    batches(range(first, first + BATCH))
    started = time.perf_counter() - began
    alone = memory([os.getpid()], folder / INDEX)
    # Batches from all parts of the epoch, so that the workers map much of the index.
    starts = range(0, stream.order.epoch_length() - BATCH, stream.order.epoch_length() // BATCHES)
    loader = DataLoader(
        Indices(),  # type: ignore[arg-type]
        batch_sampler=[list(range(start, start + BATCH)) for start in starts],  # type: ignore[arg-type]
        collate_fn=batches,
        num_workers=WORKERS,
        worker_init_fn=reads_only,
    )
    iterator = iter(loader)
    for _ in range(BATCHES - 3 * WORKERS):  # stops before the end, while the workers still run
        next(iterator)
    workers = [worker.pid for worker in iterator._workers]  # type: ignore[attr-defined]
    together = memory([os.getpid(), *workers], folder / INDEX)
    return {"started": started, "alone": alone, "together": together}


def fresh(folder: Path, share: float) -> dict[str, float]:
    """Runs `measured_here` in a new process."""
    command = [sys.executable, __file__, str(folder), str(share)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def scale(folder: Path, samples: int, rounds: int) -> list[Line]:
    """Measures an index of `samples` samples; returns its lines of the table."""
    few, many = folder / f"few-{samples}", folder / f"many-{samples}"
    write_index(few, 1000)
    write_index(many, samples)
    bare = fresh(few, 0)
    begun, resumed = [], []
    for _ in range(rounds):
        begun.append(fresh(many, 0))
        resumed.append(fresh(many, 0.9))
    shutil.rmtree(many)

    def typical(measured: list[dict[str, float]], what: str) -> float:
        return median(values[what] for values in measured)

    index = f"index of {samples:,} samples"
    started, later = typical(begun, "started"), typical(resumed, "started")
    memory = [typical(begun, what) - bare[what] for what in ("alone", "together")]
    ratio = median(last["started"] / first["started"] for first, last in zip(begun, resumed, strict=True))
    return [
        Line(f"{index}: s to the first batch", f"{started:.2f} s", "", started, "≤ 5"),
        Line(
            f"{index}: MB, one process",
            f"{memory[0]:.0f} MB",
            f"{bare['alone']:.0f} MB bare",
            memory[0],
            "≤ 300",
        ),
        Line(
            f"{index}: MB, with {WORKERS} workers",
            f"{memory[1]:.0f} MB",
            f"{bare['together']:.0f} MB bare",
            memory[1],
            "≤ 300",
        ),
        Line(
            f"{index}: first batch, resumed at 90 % / begun",
            f"{later:.2f} s",
            f"{started:.2f} s",
            ratio,
            "≤ 1.2",
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(measured_here(Path(sys.argv[1]), float(sys.argv[2]))))
