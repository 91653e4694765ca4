"""What `frozenvl plan` says of three fits, beside what these take: seconds of a step, and memory.

`OMP_NUM_THREADS=1 python benchmarks/plan.py DATA` trains on the captions of DATA/flickr8k, some steps each. It needs
the small models of `frozenvl fetch`. Seconds are the processor's, so that others who use the machine are not measured;
a step of the fit and the pieces that its plan is made of take turns in one process. Memory is the peak of a fit in a
process of its own, as its cost.json has it. A table is printed in Markdown.
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
    """Options of each fit."""
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
    """What frozenvl prints, called in a folder, where the callbacks of this one are found."""
    found = subprocess.run(
        [sys.executable, "-m", "frozenvl", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{HERE.parent}:{HERE}"},
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise SystemExit(found.stderr)
    return found.stdout


def brief(options: list[str], steps: int) -> list[str]:
    """Options of a fit that takes so many steps, and nothing else."""
    quiet = {"max_steps": steps, "limit_val_batches": 0, "callbacks": "[]", "enable_progress_bar": "false"}
    rest = [part for name, value in quiet.items() for part in (f"--trainer.{name}", str(value))]
    return [*options, *rest, "--model.warmup_steps", "1"]


def compare(options: list[str], steps: int) -> tuple[float, float, float, float]:
    """Seconds of a step and GB, each planned and real."""
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
    options.add_argument("--only", type=int, choices=(0, 1, 2), help="of the three")
    asked = options.parse_args()
    print("| | s a step: planned | real | ratio | memory, GB: planned | real | ratio |")
    print("|---|---|---|---|---|---|---|")
    rows = list(fits(asked.data.absolute()).items())
    for name, fit in rows if asked.only is None else rows[asked.only : asked.only + 1]:
        seconds, real, memory, held = compare(fit, asked.steps)
        cells = [f"{seconds:.2f}", f"{real:.2f}", f"{seconds / real:.2f}"]
        print(
            "|",
            name,
            "|",
            " | ".join(cells),
            f"| {memory:.2f} | {held:.2f} | {memory / held:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
