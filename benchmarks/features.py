"""Measures the start of a fit against the number of images: `python benchmarks/features.py [--images N …]`.

It makes N small JPEGs with five captions each and runs `frozenvl fit` for one step with a frozen EfficientNet-Lite0
(configs/flickr8k.yaml), twice: with an empty cache, and with what the first run has kept. It prints a row for each run
in Markdown: seconds from the command to the first step, those of them in which its main thread waited because other
programs had the cores, CPU seconds until then, seconds to the end, the peak memory of the largest process, and the size
of what the cache holds. `--steps` trains on, so that more features are computed and kept. `--figure PNG` plots the
seconds without waiting. Needs Linux, `frozenvl fetch`, and 5 KB of disk for each image (`--folder`).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image
from process_tree import cpu_seconds, processes, waited_seconds
from soak import CONFIG, last_step
from tables_material import CAPTIONS_PER_IMAGE, texts, write_list

from frozenvl.pretrained.zoo import models

SIZE = 64
"""Side of an image in pixels: reading a larger one takes longer, hashing it too."""


def write_images(folder: Path, images: int) -> None:
    """Writes images of random colours and their captions in COCO's layout, of which a few are for validation."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()

    def write(number: int) -> None:
        colours = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(colours).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        picture.save(folder / "images" / f"{number:012d}.jpg", quality=90)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(images)))
    lines = texts(np.random.default_rng(1), images * CAPTIONS_PER_IMAGE, 8, 14)
    for split, numbers in (("train", range(images)), ("val", range(10))):
        write_list(
            folder / "annotations" / f"captions_{split}.json",
            "annotations",
            (
                {"id": row, "image_id": row // CAPTIONS_PER_IMAGE, "caption": lines[row]}
                for row in range(CAPTIONS_PER_IMAGE * len(numbers))
            ),
            {"images": [{"id": number, "file_name": f"{number:012d}.jpg"} for number in numbers]},
        )


def fit(data: Path, home: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Runs a fit: seconds, seconds waited and CPU seconds to its first step, seconds to its end, peak memory in MB."""
    options = {
        "data.root": data,
        "model.language": asked.language,
        "model.warmup_steps": 0,
        "data.batch_size": asked.batch,
        "trainer.max_steps": asked.steps,
        "trainer.limit_val_batches": 0,
        "trainer.log_every_n_steps": 1,
        "trainer.enable_progress_bar": "false",
    }
    command = [sys.executable, "-m", "frozenvl", "fit", "--config", str(CONFIG), "--name", "features"]
    command += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    with tempfile.TemporaryDirectory() as folder:
        log, history = Path(folder, "log"), Path(folder, "runs/features/history.jsonl")
        began, first, waited, cpu = time.monotonic(), 0.0, 0.0, 0.0
        with log.open("w") as out:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {"FROZENVL_HOME": str(home)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            while child.poll() is None:
                if not first and last_step(history):
                    first, waited = time.monotonic() - began, waited_seconds(child.pid)
                    cpu = sum(map(cpu_seconds, processes(child.pid)))
                time.sleep(0.05)
        if child.returncode:
            sys.exit(log.read_text()[-2000:])
    return {
        "first": first,
        "waited": waited,
        "cpu": cpu,
        "end": time.monotonic() - began,
        "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def size(folder: Path) -> int:
    """Returns the size of a folder's files in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def draw(path: Path, rows: list[tuple[int, str, dict[str, float]]]) -> None:
    """Plots the seconds to the first step against the number of images."""
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for run in dict.fromkeys(run for _, run, _ in rows):
        points = [(images, found["first"] - found["waited"]) for images, name, found in rows if name == run]
        axes.plot(*zip(*points, strict=True), "o-", label=run)
    axes.set(
        xscale="log", xlabel="images", ylabel="seconds to the first step, without waiting", ylim=(0, None)
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=100)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, nargs="+", default=[1_000, 5_000, 20_000])
    options.add_argument("--steps", type=int, default=1)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument(
        "--language", default="SmolLM2-135M-Instruct", help="a frozenvl fetch name, or a folder"
    )
    options.add_argument(
        "--folder", type=Path, help="where images and cache are written, and removed afterwards"
    )
    options.add_argument("--figure", type=Path, metavar="PNG")
    asked = options.parse_args()
    fetched, rows = models(), []
    columns = [
        "images",
        "run",
        "s to the first step",
        "s waited",
        "CPU s until then",
        "s to the end",
        "peak MB",
    ]
    columns += ["features MB", "tables and digests MB"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for images in asked.images:
        with tempfile.TemporaryDirectory(dir=asked.folder) as place:
            data, home = Path(place, "data"), Path(place, "home")
            write_images(data, images)
            home.mkdir()
            (home / "models").symlink_to(fetched)
            for run in ("empty cache", "later"):
                found = fit(data, home, asked)
                rows.append((images, run, found))
                others = [path for path in home.iterdir() if path.name not in ("features", "models")]
                kept = [size(home / "features"), sum(map(size, others))]
                cells = [f"{found[key]:.1f}" for key in ("first", "waited", "cpu", "end")] + [
                    f"{found['peak']:.0f}"
                ]
                cells += [f"{value / 1e6:.2f}" for value in kept]
                print(f"| {images:,} | {run} |", " | ".join(cells), "|", flush=True)
    one, five, fifteen = os.getloadavg()
    print(f"\nLoad of the machine at the end: {one:.1f}, {five:.1f}, {fifteen:.1f} ({os.cpu_count()} cores).")
    if asked.figure:
        draw(asked.figure, rows)


if __name__ == "__main__":
    main()
