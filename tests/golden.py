"""Numbers of a tiny run that refactoring must not change.

`python tests/golden.py` compares them with golden.json digit by digit; `--rel 1e-6` allows a relative difference, and
`--write` replaces the file. The numbers are training losses on 1 and 2 ranks × accumulation 1 and 2, the weights after
a resume within an epoch, scores and texts of a suite, and the tensors of an export.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden.json")
STEPS = ("--trainer.max_steps", 5, "--data.batch_size", 30)  # four steps an epoch


def machine() -> str:
    """Returns the instruction set that torch uses and its version: the last digits depend on them."""
    import torch

    return f"{torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__.split('+')[0]}"


def measure(language: Path, vision: Path) -> dict[str, Any]:
    """Runs the command in the current folder and returns the numbers."""
    from running import Runs, add, checkpoint, history, score

    from frozenvl.cli import main

    run = Runs(language, vision)
    off = ("--trainer.limit_val_batches", 0)
    losses = {}
    for ranks, accumulate in ((1, 1), (1, 2), (2, 1), (2, 2)):
        name = f"ranks{ranks}-accumulate{accumulate}"
        cut = (
            "--trainer.accumulate_grad_batches",
            accumulate,
            "--trainer.val_check_interval",
            4 * accumulate,
        )
        assert run("fit", *STEPS, *cut, *(off if ranks * accumulate > 1 else ()), name=name, ranks=ranks) == 0
        losses[name] = history(name)
    assert run("fit", *STEPS, *off, *add("probes.StopAt", step=3), name="resumed") == 1
    assert run("fit", *STEPS, *off, "--ckpt_path", "last", name="resumed") == 0
    assert main(["evaluate", "runs/resumed", *suite(), "--batch_size", "3", "--accelerator", "cpu"]) == 0
    assert main(["export", "runs/resumed", "exported"]) == 0
    evaluations = sorted(path.parent.name for path in Path("runs/resumed/evaluation").glob("*/score.json"))
    return {
        "machine": machine(),
        "losses": losses,
        "weights": tensors(checkpoint("resumed")["state_dict"]),
        "scores": {name: score("resumed", name)["scores"] for name in evaluations},
        "texts": {name: texts(name) for name in evaluations},
        "export": exported(Path("exported")),
    }


def suite() -> list[str]:
    """Writes the suite to a file; returns the option that names it."""
    import yaml
    from suites import SUITE

    Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": SUITE}))
    return ["--config", "suite.yaml"]


def texts(evaluation: str) -> dict[str, str]:
    path = Path("runs/resumed/evaluation") / evaluation / "predictions.jsonl"
    return {row["id"]: row["generated"] for row in map(json.loads, path.read_text().splitlines())}


def exported(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return tensors(load_file(folder / "model.safetensors"))


def tensors(weights: dict[str, Any]) -> dict[str, Any]:
    """Returns shape, sum and norm of each tensor, in fp64."""
    return {
        name: {
            "shape": list(value.shape),
            "sum": value.double().sum().item(),
            "norm": value.double().norm().item(),
        }
        for name, value in sorted(weights.items())
    }


def differences(known: Any, found: Any, rel: float = 0.0, where: str = "") -> Iterator[str]:
    """Yields a line for each difference between two records."""
    if isinstance(known, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*known, *found]):
            yield from differences(known.get(key), found.get(key), rel, f"{where}/{key}")
    elif isinstance(known, list) and isinstance(found, list) and len(known) == len(found):
        for place, pair in enumerate(zip(known, found, strict=True)):
            yield from differences(*pair, rel, f"{where}/{place}")
    elif isinstance(known, float) and isinstance(found, float):
        if not math.isclose(known, found, rel_tol=rel, abs_tol=rel):
            yield f"{where}: {known!r} before, {found!r} now"
    elif known != found:
        yield f"{where}: {known!r} before, {found!r} now"


def compare() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rel", type=float, default=0.0)
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    here = Path(__file__).parent
    sys.path[:0] = [str(here), str(here / "evaluation")]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["FROZENVL_HOME"] = folder
        from tiny import language_model, vision_model

        (Path("language")).mkdir()
        (Path("vision")).mkdir()
        found = measure(language_model(Path("language").absolute()), vision_model(Path("vision").absolute()))
        os.chdir(here)
    if args.write:
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    lines = list(differences(json.loads(GOLDEN.read_text()), found, args.rel))
    print("\n".join(lines[:20] or ["no difference"]))
    return bool(lines)


if __name__ == "__main__":
    sys.exit(compare())
