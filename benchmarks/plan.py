"""Compares the forecast of `frozenvl plan` with three real fits: seconds per step, and memory.

`OMP_NUM_THREADS=1 python benchmarks/plan.py DATA` trains on the captions of DATA/flickr8k for some steps. It needs the
small models of `frozenvl fetch`. Seconds are processor time, so other processes on the machine matter little. A step of
the fit and the pieces of its forecast take turns in one process. Memory is the peak of a fit in a process of its own,
from its cost.json. It prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CONFIGS = HERE.parent / "configs"
FAMILY = HERE.parent / "experiments" / "family"


def fits(data: Path) -> dict[str, list[str]]:
    """Returns the command-line options of each fit: name → options."""
    at = ["--data.root", str(data / "flickr8k"), "--data.batch_size"]
    flickr = ["--config", str(CONFIGS / "flickr8k.yaml"), *at]
    trained = ["--model.vision.init_args.trainable", "true"]
    clipcap = [
        CONFIGS / "clipcap_transformer.yaml",
        FAMILY / "budget.yaml",
        FAMILY / "clipcap_transformer.yaml",
    ]
    return {
        "flickr8k: MLP, k = 16; 32 pairs": [*flickr, "32"],
        "the same, k = 4, encoder trained; 16 pairs": [*flickr, "16", "--model.k", "4", *trained],
        "clipcap_transformer, SmolLM2-135M; 32 pairs": [
            *(part for path in clipcap for part in ("--config", str(path))),
            *at,
            "32",
        ],
    }


def command(*arguments: str, folder: str) -> str:
    """Runs the command `frozenvl` in a folder, with the callbacks of benchmarks/ importable; returns its output."""
    result = subprocess.run(
        [sys.executable, "-m", "frozenvl", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{HERE.parent}:{HERE}"},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise SystemExit(result.stderr)
    return result.stdout


def brief(options: list[str], steps: int) -> list[str]:
    """Returns the options of a fit that only trains, for some steps."""
    quiet = {"max_steps": steps, "limit_val_batches": 0, "callbacks": "[]", "enable_progress_bar": "false"}
    rest = [part for name, value in quiet.items() for part in (f"--trainer.{name}", str(value))]
    return [*options, *rest, "--model.warmup_steps", "1"]


def compare(options: list[str], steps: int) -> tuple[float, float, float, float]:
    """Measures a fit; returns seconds per step, planned and real, then GB of memory, planned and real."""
    with tempfile.TemporaryDirectory() as folder:
        (row,) = json.loads(command("plan", *options, "--json", folder=folder))
        command("fit", *brief(options, steps), "--name", "alone", folder=folder)
        cost = json.loads((Path(folder) / "runs/alone/cost.json").read_text())
        turns = ["--trainer.callbacks+=plan_turns.Turns", "--trainer.callbacks.options", json.dumps(options)]
        out = Path(folder) / "turns.json"
        command("fit", *brief(options, steps), *turns, "--trainer.callbacks.out", str(out), folder=folder)
        seconds = json.loads(out.read_text())
    return seconds["planned"], seconds["real"], row["memory"] / 1e9, cost["peak_memory_gb"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, metavar="DATA")
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--only", type=int, choices=(0, 1, 2), help="index of the only fit to run")
    asked = options.parse_args()
    print("| | s per step: planned | real | ratio | memory, GB: planned | real | ratio |")
    print("|---|---|---|---|---|---|---|")
    rows = list(fits(asked.data.absolute()).items())
    for name, fit in rows if asked.only is None else rows[asked.only : asked.only + 1]:
        seconds, real, memory, peak = compare(fit, asked.steps)
        cells = [f"{seconds:.2f}", f"{real:.2f}", f"{seconds / real:.2f}"]
        print(
            "|",
            name,
            "|",
            " | ".join(cells),
            f"| {memory:.2f} | {peak:.2f} | {memory / peak:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
