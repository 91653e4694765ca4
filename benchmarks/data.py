"""Benchmarks the data pipeline: frozenvl, `webdataset` and torchvision in one run on one machine.

`python benchmarks/data.py` makes its own data in a temporary folder (2 GB) and prints a table in Markdown after about
15 minutes (nothing else should run). The sides take turns; a ratio is the median over rounds. The files were just
written and are in the page cache: disk speed is not measured. Every process computes with one thread.

- Raw samples: key, image bytes and caption, shuffled, in one process. frozenvl in training order; `webdataset` with
  `shardshuffle=100` and `.shuffle(1000)`.
- End to end: shuffled batches of 64 images at 224 × 224 with captions. frozenvl as in training: JPEGs decoded at
  reduced size, padded, uint8 (the device normalises). `webdataset` as its documentation shows it: `.decode("pil")`,
  torchvision's `Resize(224)`, `CenterCrop(224)`, `ToTensor()`, `.batched(64)` in a `WebLoader`. torchvision:
  `ImageFolder` with the same transforms. Both give float32.
- Decode limit: a bare loop in as many processes over JPEGs in memory, in which Pillow decodes in full and resizes
  (bicubic) to a longest side of 224. frozenvl end to end from tars with `scaled_decoding: false`.
- Millions of samples: the index is real, the tars are sparse files. Start-up is measured in a fresh process until the
  end of the first batch. Memory is measured after 600 batches from all parts of an epoch: private memory and the index,
  shared pages counted once (PSS), minus the same for an index of 1000 samples.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from statistics import median

import PIL.Image
import torch
import webdataset
from data_material import LARGE, SMALL, Material
from data_scale import scale
from data_table import Line, print_table
from torch.utils.data import DataLoader, RandomSampler
from torchvision import datasets, transforms

from frozenvl.data.collate import TrainingBatches
from frozenvl.data.sources.shards import Shards
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.model.processor import Pixels
from frozenvl.training.loaders import Indices, reads_only

SIDE, BATCH = 224, 64
THEIRS = transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.ToTensor()])


def stream_of(material: Material) -> TrainingStream:
    return TrainingStream({"captions": Task(Shards(str(material.folder)))}, seed=0)


def raw_here(material: Material) -> Iterable[tuple[str, bytes, str]]:
    stream = stream_of(material)
    for position in range(stream.order.epoch_length()):
        sample = stream[position]
        yield sample.id, sample.images[0].content(), sample.target  # type: ignore[attr-defined]


def raw_webdataset(material: Material) -> Iterable[tuple[str, bytes, bytes]]:
    return (
        webdataset.WebDataset(material.urls, shardshuffle=100).shuffle(1000).to_tuple("__key__", "jpg", "txt")
    )


def batches_here(material: Material, workers: int, scaled: bool = True) -> Iterable:
    pixels = Pixels(SIDE, scaled)

    def process(samples: Sequence) -> tuple[torch.Tensor, list[str]]:
        return pixels([sample.images[0] for sample in samples]), [sample.target for sample in samples]

    positions = (list(range(start, start + BATCH)) for start in count(0, BATCH))
    return DataLoader(
        Indices(),  # type: ignore[arg-type]
        batch_sampler=positions,  # type: ignore[arg-type]
        collate_fn=TrainingBatches(stream_of(material), process),  # type: ignore[arg-type]
        num_workers=workers,
        worker_init_fn=reads_only,
    )


def batches_webdataset(material: Material, workers: int) -> Iterable:
    pipeline = (
        webdataset.WebDataset(material.urls, shardshuffle=100, repeat=True)
        .shuffle(1000, initial=BATCH)
        .decode("pil")
        .to_tuple("jpg", "txt")
        .map_tuple(THEIRS, lambda text: text)
        .batched(BATCH)
    )
    return webdataset.WebLoader(pipeline, batch_size=None, num_workers=workers)


def batches_torchvision(files: Path, workers: int) -> Iterable:
    folder = datasets.ImageFolder(str(files), THEIRS)
    endless = RandomSampler(folder, replacement=True, num_samples=10**6)
    return DataLoader(folder, BATCH, sampler=endless, num_workers=workers)


def decode_limit(contents: list[bytes], seconds: float) -> float:
    """Returns images per second of a bare loop that decodes and resizes JPEGs with Pillow."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        image = PIL.Image.open(io.BytesIO(contents[done % len(contents)])).convert("RGB")
        width, height = (round(length * SIDE / max(image.size)) for length in image.size)
        image.resize((width, height), PIL.Image.Resampling.BICUBIC)
        done += 1
    return done / (time.perf_counter() - began)


def decode_limits(contents: list[bytes], processes: int, seconds: float) -> float:
    """Returns images per second of that loop in several processes at once."""
    with multiprocessing.Pool(processes) as pool:
        return sum(pool.starmap(decode_limit, [(contents, seconds)] * processes))


def samples_per_second(samples: Iterable) -> float:
    began = time.perf_counter()
    number = sum(1 for _ in samples)
    return number / (time.perf_counter() - began)


def images_per_second(loader: Iterable, workers: int, batches: int) -> float:
    """Returns images per second of a loader, measured after each worker has delivered its first batch."""
    iterator = iter(loader)
    for _ in range(max(1, workers)):
        next(iterator)
    began = time.perf_counter()
    number = sum(len(batch[0]) for batch in islice(iterator, batches))
    return number / (time.perf_counter() - began)


def by_turns(rounds: int, **sides: Callable[[], float]) -> dict[str, list[float]]:
    """Measures all sides in each round, in alternating order; returns name → one measurement per round."""
    measured: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides)[:: 1 if turn % 2 else -1]:
            measured[name].append(sides[name]())
    return measured


def compared(what: str, unit: str, ours: list[float], theirs: list[float], aim: str) -> Line:
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    return Line(what, f"{median(ours):,.0f} {unit}", f"{median(theirs):,.0f} {unit}", ratio, aim)


def raw(material: Material, rounds: int) -> list[Line]:
    stream_of(material)  # makes the index before anything is timed
    measured = by_turns(
        rounds,
        here=lambda: samples_per_second(raw_here(material)),
        webdataset=lambda: samples_per_second(raw_webdataset(material)),
    )
    return [
        compared(
            f"raw samples / webdataset ({material})", "/s", measured["here"], measured["webdataset"], "≥ 1.2"
        )
    ]


def end_to_end(material: Material, files: Path, workers: int, rounds: int, batches: int) -> list[Line]:
    measured = by_turns(
        rounds,
        here=lambda: images_per_second(batches_here(material, workers), workers, batches),
        webdataset=lambda: images_per_second(batches_webdataset(material, workers), workers, batches),
        torchvision=lambda: images_per_second(batches_torchvision(files, workers), workers, batches),
        full=lambda: images_per_second(batches_here(material, workers, scaled=False), workers, batches),
        limit=lambda: decode_limits(material.contents, max(1, workers), seconds=batches / 2),
    )
    where = f"{workers} workers"
    here = measured["here"]
    return [
        compared(f"images / webdataset + torchvision, {where}", "/s", here, measured["webdataset"], "≥ 1.5"),
        compared(f"images / torchvision, {where}", "/s", here, measured["torchvision"], "≥ 1.5"),
        compared(f"share of the decode limit, {where}", "/s", measured["full"], measured["limit"], "≥ 0.9"),
    ]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--quick", action="store_true", help="little data and one round, to see that it runs"
    )
    options.add_argument("--json", type=Path, help="file for the lines of the table as JSON")
    asked = options.parse_args()
    torch.set_num_threads(1)
    rounds, batches, distinct = (1, 2, 8) if asked.quick else (5, 8, 200)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FROZENVL_HOME"] = folder
        large = Material(Path(folder) / "large", LARGE, distinct, 8, 64 if asked.quick else 300)
        small = Material(Path(folder) / "small", SMALL, distinct, 8, 64 if asked.quick else 1500)
        files = large.files()
        for material in (small, large):
            lines += raw(material, rounds)
        for workers in (0, 2):
            lines += end_to_end(large, files, workers, rounds, batches)
        for samples in (10_000, 20_000) if asked.quick else (3_000_000, 12_000_000):
            lines += scale(Path(folder), samples, min(rounds, 3))
    print(f"large: {large}; {os.cpu_count()} cores\n")
    print_table(lines)
    if asked.json:
        asked.json.write_text(
            json.dumps([asdict(line) | {"reached": line.reached} for line in lines], indent=1)
        )


if __name__ == "__main__":
    main()
