"""Compares the speed of this tree with another commit in one run: `python benchmarks/commits.py COMMIT DATA`.

Each side is a process with its own code; both do the same work in turns. The table has the ratio of each turn, seconds
of this tree divided by seconds of the commit: median, minimum and maximum. The work: training steps, captions by greedy
decoding, questions after a shared support set, and `frozenvl fit` from its start to its first step. It needs the small
language model of `frozenvl fetch`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
FIT = (
    "--trainer.max_steps", "1", "--trainer.limit_val_batches", "0", "--trainer.callbacks", "[]",
    "--trainer.enable_checkpointing", "false", "--data.batch_size", "8", "--data.cache_features", "false",
    "--model.precision", "fp32", "--model.warmup_steps", "0", "--name", "commits",
)  # fmt: skip


def work(data: Path, half: bool) -> dict[str, Callable[[], object]]:
    """Makes the pieces of work that a side times: name → function. It uses only code that both commits have."""
    import torch
    from training_ways import build, captions, here, processor

    make, model = processor(4), build(4, half)
    batches = [make(rows) for rows in captions(data, 16, 4)]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    samples = [row for rows in captions(data, 16, 4) for row in rows]
    prompts = [sample.prompt for sample in samples[:32]]
    support = tuple(part for sample in samples[:4] for part in (*sample.prompt, sample.target, "\n"))
    questions = [(*sample.prompt, "What is shown? Answer:") for sample in samples[8:40]]

    def train() -> None:
        for batch in batches:
            here(model, batch).backward()
            optimizer.step()
            optimizer.zero_grad()

    def generate() -> list[str]:
        model.eval()
        return model.generate(make(prompts), make, 16)

    def fewshot() -> list:
        model.eval()
        return model.continuations(make(questions, start=False), make, 5, (), model.prefill(make, support))

    return {"training steps": train, "captions": generate, "questions behind a support": fewshot}


def serve(data: Path, half: bool) -> None:
    """Reads names of work from standard input; runs each and prints its seconds."""
    made = work(data, half)
    print(json.dumps(list(made)), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        made[line.strip()]()
        print(time.perf_counter() - start, flush=True)


def environment(tree: Path) -> dict[str, str]:
    """Returns the environment in which Python imports a tree's own package and benchmarks."""
    return os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{tree / 'benchmarks'}", "PYTHONSAFEPATH": "1"}


def side(tree: Path, data: Path, precision: str) -> subprocess.Popen:
    """Starts the process of a side, which runs `serve` on a tree's code."""
    command = [sys.executable, __file__, "--serve", str(data), "--precision", precision]
    return subprocess.Popen(
        command, env=environment(tree), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def first_step(tree: Path, data: Path) -> float:
    """Returns the seconds of a fit of one step that reads and encodes its images."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        config = ["--config", str(tree / "configs" / "flickr8k.yaml"), "--data.root", str(data / "flickr8k")]
        command = [sys.executable, "-m", "frozenvl", "fit", *config, *FIT]
        subprocess.run(command, env=environment(tree), cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def row(name: str, ours: list[float], theirs: list[float]) -> None:
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    middle = statistics.median(ratios)
    cells = [name, f"{statistics.median(ours):.3f}", f"{statistics.median(theirs):.3f}", f"{middle:.3f}"]
    print("|", " | ".join([*cells, f"{ratios[0]:.3f} to {ratios[-1]:.3f}"]), "|", flush=True)


def compare(asked: argparse.Namespace) -> None:
    print("| | s, this tree | s, commit | ratio, median | turns |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(
            ["git", "worktree", "add", "-q", "--detach", str(tree), asked.commit], cwd=HERE, check=True
        )
        sides = [side(place, asked.data.resolve(), asked.precision) for place in (HERE, tree)]
        try:
            names, _ = (json.loads(process.stdout.readline()) for process in sides)  # type: ignore[union-attr]
            for name in names:
                took: list[list[float]] = [[], []]
                for turn in range(asked.turns + 1):
                    for place, process in enumerate(sides):
                        process.stdin.write(f"{name}\n")  # type: ignore[union-attr]
                        process.stdin.flush()  # type: ignore[union-attr]
                        seconds = float(process.stdout.readline())  # type: ignore[union-attr]
                        took[place] += [seconds] if turn else []  # the first turn also allocates memory
                row(name, *took)
            for process in sides:
                process.kill()
            # Not counted: they fill the page cache.
            first_step(HERE, asked.data), first_step(tree, asked.data)
            pairs = [(first_step(HERE, asked.data), first_step(tree, asked.data)) for _ in range(asked.fits)]
            row("fit to its first step", *map(list, zip(*pairs, strict=True)))
        finally:
            for process in sides:
                process.kill()
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=HERE, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--fits", type=int, default=3)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.precision == "bf16")
    else:
        compare(asked)
