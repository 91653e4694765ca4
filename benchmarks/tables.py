"""Measures opening and scoring of annotation files against their size, each in a fresh process.

`python benchmarks/tables.py` makes files of VQA v2's and COCO captions' layout with `--sizes` entries each, and prints
a line for each measurement in Markdown: seconds without imports, peak memory of the process, and the growth of its own
(anonymous) memory meanwhile. A first opening parses the files; a later one maps the table that the first one kept.
`--beside FOLDER` measures another checkout too, such as one of an older commit. `--figure PNG` plots cost against size.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

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
    """Does a job in this process: seconds, peak memory with imports, growth of anonymous memory (both MB)."""
    run = JOBS[job](folder)
    before, began, busy = memory("RssAnon"), time.perf_counter(), time.process_time()
    kept = run()
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    scores = kept.get("scores") if isinstance(kept, dict) else None
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": memory("VmHWM"),
        "grown": memory("RssAnon") - before,
        "scores": scores,
    }


def fresh(job: str, folder: Path, checkout: Path, home: Path) -> dict[str, float]:
    """Does a job in a new process of a checkout, with a cache folder."""
    command = [sys.executable, __file__, "--job", job, "--folder", str(folder)]
    places = {"PYTHONPATH": str(checkout), "FROZENVL_HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | places)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(
    job: str, files: Path, checkout: Path, home: Path, first: bool
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields (name, measurement) of a job; of an opening, also of a later one, where the cache has its table."""
    if first:
        shutil.rmtree(home, ignore_errors=True)
    yield job.replace("_", " "), fresh(job, files, checkout, home)
    if first:
        yield f"{job.replace('_', ' ')}, later", fresh(job, files, checkout, home)


def draw(path: Path, series: dict[str, list[tuple[int, float, float]]]) -> None:
    """Plots CPU seconds and peak memory against the number of entries."""
    from matplotlib.figure import Figure  # here, because it would be in the memory that is measured

    figure = Figure(figsize=(9, 4), layout="constrained")
    seconds, peak = figure.subplots(1, 2)
    for name, points in series.items():
        sizes, cpu, memory = zip(*points, strict=True)
        seconds.plot(sizes, cpu, "o-", label=name)
        peak.plot(sizes, memory, "o-", label=name)
    for axes, title in ((seconds, "CPU seconds, without imports"), (peak, "peak memory of the process, MB")):
        axes.set(xscale="log", yscale="log", xlabel="questions, or images with five captions", title=title)
        axes.grid(alpha=0.3)
    seconds.legend(fontsize=7)
    figure.savefig(path, dpi=100)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[10_000, 40_000, 160_000, 443_757])
    options.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    options.add_argument("--beside", type=Path, metavar="FOLDER")
    options.add_argument("--figure", type=Path, metavar="PNG")
    options.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.job:
        print(json.dumps(measured_here(asked.job, asked.folder)))
        return
    from tables_material import write_captions, write_vqa

    checkouts = {"": Path(__file__).resolve().parent.parent}
    if asked.beside:
        checkouts[f"{asked.beside.name}: "] = asked.beside.resolve()
    series: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    print("One thread; other programs may share the machine, so CPU seconds are comparable.\n")
    print("| | entries | s | CPU s | peak MB | own MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for size in asked.sizes:
            files, images = Path(place, "files"), max(100, round(COCO_SHARE * size))
            write_vqa(files, size)
            write_captions(files, images)
            for job in asked.jobs:
                scores = []
                for prefix, checkout in checkouts.items():
                    home, kept = Path(place, "home"), job.startswith("open") and not prefix
                    for name, found in measure(job, files, checkout, home, kept):
                        entries = size if "vqa" in job else images
                        series[prefix + name].append((entries, found["cpu"], found["peak"]))
                        scores.append(found["scores"])
                        row = (f"{found[key]:.1f}" for key in ("seconds", "cpu"))
                        memories = (f"{found[key]:.0f}" for key in ("peak", "grown"))
                        print(
                            "|", " | ".join([prefix + name, f"{entries:,}", *row, *memories]), "|", flush=True
                        )
                if any(other != scores[0] for other in scores):
                    raise SystemExit(f"{job}: the scores of {asked.beside} are others")
    if asked.figure:
        draw(asked.figure, series)


if __name__ == "__main__":
    main()
