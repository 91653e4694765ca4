"""Measures the memory of a fit as it goes on: `python benchmarks/soak.py [DATA] [--steps 1000] [--figure PNG]`.

It runs `frozenvl fit` on Flickr8k's captions (configs/flickr8k.yaml, with small batches so that 1,000 steps take
minutes; the packed length differs from step to step as in a full batch), with validation and generation every 250
steps, and reads the process's anonymous resident memory at each step. Without DATA, captions are of rendered scenes.
`--layers 4` cuts the language model to its first four layers. `--with NAME=VALUE` sets an environment variable and runs
the fit once more with it; all curves go into one figure. Needs Linux and `frozenvl fetch`.
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
from pathlib import Path

from matplotlib.figure import Figure

CONFIG = Path(__file__).parents[1] / "configs/flickr8k.yaml"


def anonymous(process: int) -> int:
    """Returns the anonymous resident memory of a process in MB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return int(status.split("RssAnon:")[1].split()[0]) >> 10 if "RssAnon:" in status else 0


def last_step(history: Path) -> int:
    """Returns the last step in a run's history; 0 before the first."""
    lines = history.read_text().splitlines() if history.is_file() else []
    steps = [json.loads(line).get("step", 0) for line in lines[-2:] if line.endswith("}")]
    return max(steps, default=0)


def cut(layers: int, folder: Path) -> Path:
    """Saves the first layers of the language model, and returns their folder."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from frozenvl.pretrained.names import resolve

    whole = resolve("SmolLM2-135M-Instruct")
    config = AutoConfig.from_pretrained(whole)
    config.num_hidden_layers = layers
    AutoModelForCausalLM.from_pretrained(whole, config=config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)
    return folder


def scenes(part: str, size: int) -> list[str]:
    """Returns the options that put captions of rendered scenes in place of a source."""
    source = f"--data.{part}.captions.source"
    return [
        source,
        "frozenvl.data.sources.scenes.SceneCaptions",
        f"{source}.split",
        part,
        f"{source}.size",
        str(size),
    ]


def soak(asked: argparse.Namespace, variables: dict[str, str]) -> dict[int, int]:
    """Runs a fit and returns its memory in MB by step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "frozenvl", "fit", "--config", str(CONFIG), "--name", "soak"]
        command += ["--data.batch_size", str(asked.batch), "--data.eval_batch_size", "25"]
        command += ["--trainer.max_steps", str(asked.steps), "--model.warmup_steps", "1"]
        command += ["--trainer.val_check_interval", str(min(250, asked.steps))]
        command += ["--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"]
        command += ["--model.precision", asked.precision]
        if asked.data is None:
            command += [*scenes("train", 1000), *scenes("val", 50)]
        else:
            command += ["--data.root", str((asked.data / "flickr8k").resolve())]
        if asked.layers:
            command += ["--model.language", str(cut(asked.layers, Path(folder, "language")))]
        log = Path(folder, "log")
        with log.open("w") as out:
            child = subprocess.Popen(
                command, cwd=folder, env=os.environ | variables, stdout=out, stderr=subprocess.STDOUT
            )
            found: dict[int, int] = {}
            while child.poll() is None:
                if step := last_step(Path(folder, "runs/soak/history.jsonl")):
                    found[step] = anonymous(child.pid) or found.get(step, 0)
                time.sleep(0.3)
        if child.returncode:
            sys.exit(log.read_text()[-2000:])
    return found


def around(found: dict[int, int], step: int) -> float:
    """Returns the median memory over the 21 steps around a step."""
    return statistics.median(memory for at, memory in found.items() if abs(at - step) <= 10)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, nargs="?", metavar="DATA")
    options.add_argument("--layers", type=int, help="layers of the language model; by default all")
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="bf16")
    options.add_argument("--with", dest="variables", action="append", default=[], metavar="NAME=VALUE")
    options.add_argument("--figure", type=Path, metavar="PNG")
    asked = options.parse_args()
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    places = sorted({min(100, asked.steps // 2), asked.steps // 2, asked.steps})
    print("| anonymous MB at step |", " | ".join(map(str, places)), "| last ÷ first | seconds |")
    print("|---|" + "---|" * (len(places) + 2))
    for variable in ["", *asked.variables]:
        start = time.monotonic()
        found = soak(asked, dict([variable.split("=", 1)]) if variable else {})
        memory = [around(found, step) for step in places]
        cells = [f"{value:,.0f}" for value in memory]
        name = variable or "as it is"
        print(
            f"| {name} |",
            " | ".join(cells),
            f"| {memory[-1] / memory[0]:.2f} | {time.monotonic() - start:.0f} |",
            flush=True,
        )
        axes.plot(found.keys(), found.values(), label=name, lw=1)
    axes.set(xlabel="optimiser step", ylabel="anonymous resident memory, MB", ylim=(0, None))
    axes.legend()
    if asked.figure:
        figure.savefig(asked.figure, dpi=100)


if __name__ == "__main__":
    main()
