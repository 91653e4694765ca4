"""Runs of the command line with tiny models."""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from frozenvl.cli import main

CONFIG = Path(__file__).with_name("tiny.yaml")


WITH_EMBEDDING_HEAD = (
    "--model.heads", '{"retrieval": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}}}',
    "--model.objectives", '{"captioning": {"class_path": "frozenvl.objectives.Captioning"}, '
    '"contrastive": {"class_path": "frozenvl.objectives.Contrastive"}}',
    "--trainer.max_steps", 2, "--trainer.val_check_interval", 2, "--trainer.limit_val_batches", 0,
)  # fmt: skip
"""Options of a short fit with an embedding head beside the captions."""


class Runs:
    """Calls the command in the current folder, with tiny models and data.

    Args:
        language: folder of the language model.
        vision: folder of the image encoder.
    """

    def __init__(self, language: Path, vision: Path) -> None:
        self.models = ["--model.language", str(language), "--model.vision.init_args.name", str(vision)]

    def __call__(self, command: str, *options: object, name: str = "tiny", ranks: int = 1) -> int:
        """Runs a command; returns the exit status. With several ranks it forks processes."""
        where = ["--trainer.devices", str(ranks), "--trainer.strategy", "ddp_fork" if ranks > 1 else "auto"]
        return main(
            [command, "--config", str(CONFIG), *self.models, *where, "--name", name, *map(str, options)]
        )


def fit_compiled(frozenvl: Runs, *options: object) -> tuple[int, int]:
    """Runs a fit called `compiled`; returns its exit status and the number of compiled graphs."""
    # In a new process, since the compiler leaves threads behind, after which forked ranks hang.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(_fit_compiled, frozenvl, options).result()


def _fit_compiled(frozenvl: Runs, options: tuple[object, ...]) -> tuple[int, int]:
    from torch._dynamo.utils import counters

    status = frozenvl("fit", *options, "--model.compile", "true", name="compiled")
    return status, counters["stats"]["unique_graphs"]


def add(callback: str, **settings: object) -> list[str]:
    """Returns the options that add a callback to the configuration."""
    options = [f"--trainer.callbacks+={callback}"]
    return options + [
        x for key, value in settings.items() for x in (f"--trainer.callbacks.{key}", str(value))
    ]


def history(run: str | Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (Path("runs") / run / "history.jsonl").read_text().splitlines()]


def checkpoint(run: str | Path, file: str = "last.ckpt") -> dict[str, Any]:
    return torch.load(Path("runs") / run / "checkpoints" / file, weights_only=True)


def same_weights(one: dict[str, Any], other: dict[str, Any]) -> bool:
    one, other = one["state_dict"], other["state_dict"]
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def score(run: str | Path, evaluation: str) -> dict[str, Any]:
    return json.loads((Path("runs") / run / "evaluation" / evaluation / "score.json").read_text())


def one_line(stderr: str) -> str:
    """Returns the command's error line; fails if there are several, or a traceback."""
    assert "Traceback" not in stderr
    lines = [line for line in stderr.splitlines() if line.startswith("frozenvl: error: ")]
    assert len(lines) == 1 and stderr.rstrip().endswith(lines[0])
    return lines[0].removeprefix("frozenvl: error: ")
