"""Measures opening and scoring of annotation files against their size, each in a fresh process.

`python benchmarks/tables.py` makes files of VQA v2's and COCO captions' layout with `--sizes` entries each, and prints
a line for each measurement in Markdown: seconds and CPU seconds without imports, peak memory of all processes together,
and the growth of the first one's own (anonymous) memory meanwhile. A first opening parses the files; a later one maps
the table that the first one kept. `--beside FOLDER` measures another checkout too, such as one of an older commit, up
to `--beside-entries`, and checks that its scores are the same to the last digit. `--figure PNG` plots cost against
size.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import process_tree

COCO_SHARE = 118_287 / 443_757
"""Number of COCO's captioned images for each question of VQA v2 (both train splits)."""


def open_vqa(folder: Path) -> Callable[[], object]:
    from frozenvl.data.sources.vqa import VQAQuestions

    files = [str(folder / f"{name}.json") for name in ("questions", "annotations")]
    return lambda: VQAQuestions(*files, str(folder))


def open_captions(folder: Path) -> Callable[[], object]:
    from frozenvl.data.sources.coco import CocoCaptions

    return lambda: CocoCaptions(str(folder / "captions.json"), str(folder))


def score_vqa(folder: Path) -> Callable[[], object]:
    files = [f"--{name}={folder / name}.json" for name in ("questions", "annotations", "results")]
    return lambda: score("vqa", *files)


def score_captions(folder: Path) -> Callable[[], object]:
    files = [f"--references={folder / 'captions.json'}", f"--results={folder / 'captions-results.json'}"]
    metrics = ["--metrics", "Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr", "ROUGE_L"]
    return lambda: score("captions", *files, *metrics)


def score(*arguments: str) -> object:
    """Runs `frozenvl score` and returns its object."""
    from frozenvl.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(["score", *arguments])
    return json.loads(printed.getvalue())


JOBS = {work.__name__: work for work in (open_vqa, open_captions, score_vqa, score_captions)}


def memory(field: str) -> float:
    """Returns a field of this process's status in MB."""
    found = re.search(rf"^{field}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def measured_here(job: str, folder: Path) -> dict[str, object]:
    """Does a job here: seconds, CPU seconds of all processes, this process's peak memory and growth in MB."""
    run = JOBS[job](folder)
    before, began, busy = memory("RssAnon"), time.perf_counter(), sum(os.times()[:4])
    kept = run()
    seconds, cpu = time.perf_counter() - began, sum(os.times()[:4]) - busy
    scores = kept.get("scores") if isinstance(kept, dict) else None
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": memory("VmHWM"),
        "grown": memory("RssAnon") - before,
        "scores": scores,
    }


def fresh(job: str, folder: Path, checkout: Path, home: Path) -> dict[str, float]:
    """Does a job in a new process of a checkout, with a cache folder. Adds the peak memory of all processes in MB."""
    command = [sys.executable, __file__, "--job", job, "--folder", str(folder)]
    places = {"PYTHONPATH": str(checkout), "FROZENVL_HOME": str(home), "OMP_NUM_THREADS": "1"}
    output, peak = process_tree.run(command, os.environ | places)
    found = json.loads(output.splitlines()[-1])
    return found | {"peak": max(peak, found["peak"])}


def measure(
    job: str, files: Path, checkout: Path, home: Path, first: bool
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields (name, measurement) of a job; of an opening, also of a later one, where the cache has its table."""
    if first:
        shutil.rmtree(home, ignore_errors=True)
    yield job.replace("_", " "), fresh(job, files, checkout, home)
    if first:
        yield f"{job.replace('_', ' ')}, later", fresh(job, files, checkout, home)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[10_000, 40_000, 160_000, 443_757])
    options.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    options.add_argument("--beside", type=Path, metavar="FOLDER")
    options.add_argument("--beside-entries", type=int, default=1_000_000, metavar="N")
    options.add_argument("--figure", type=Path, metavar="PNG")
    options.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.job:
        print(json.dumps(measured_here(asked.job, asked.folder)))
        return
    from tables_figure import Point, draw  # not at the top: they would be in the memory that is measured
    from tables_material import write_captions, write_vqa

    points: list[Point] = []
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{len(os.sched_getaffinity(0))} cores, load before: {load}. Compare CPU seconds on a busy machine.\n"
    )
    print("| | entries | s | CPU s | peak MB | own MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for size in asked.sizes:
            files, images = Path(place, "files"), max(100, round(COCO_SHARE * size))
            write_vqa(files, size)
            write_captions(files, images)
            checkouts = {"": Path(__file__).resolve().parent.parent}
            if asked.beside and size <= asked.beside_entries:
                checkouts[asked.beside.name] = asked.beside.resolve()
            for job in asked.jobs:
                scores = []
                for name_of_checkout, checkout in checkouts.items():
                    home, kept = Path(place, "home"), job.startswith("open") and not name_of_checkout
                    for name, found in measure(job, files, checkout, home, kept):
                        entries = size if "vqa" in job else images
                        points.append(Point(name, name_of_checkout, entries, found["cpu"], found["peak"]))
                        scores.append(found["scores"])
                        row = (f"{found[key]:.2f}" for key in ("seconds", "cpu"))
                        memories = (f"{found[key]:.0f}" for key in ("peak", "grown"))
                        named = ": ".join(filter(None, (name_of_checkout, name)))
                        print("|", " | ".join([named, f"{entries:,}", *row, *memories]), "|", flush=True)
                if any(other != scores[0] for other in scores):
                    raise SystemExit(f"{job}: the scores of {asked.beside} are others")
    if asked.figure:
        draw(asked.figure, points)


if __name__ == "__main__":
    main()
