"""What tests of evaluation share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml


@pytest.fixture(scope="session")
def tiny_trained(tiny_run):
    """The model of a finished tiny run."""
    from frozenvl.training.trained_run import load_trained

    return load_trained(tiny_run)


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Path:
    """A copy of a trained run that nothing was evaluated on."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "run", ignore=shutil.ignore_patterns("evaluation", "events*"))
    return tmp_path / "run"


@pytest.fixture
def evaluate(run) -> Callable[..., int]:
    """The command on that run."""
    from frozenvl.cli import main

    def command(suite: dict, *options: object, checkpoint: Path = run, batch_size: int = 3) -> int:
        Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": suite}))
        shared = ["--config", "suite.yaml", "--accelerator", "cpu", "--batch_size", batch_size]
        return main([str(x) for x in ("evaluate", checkpoint, *shared, *options)])

    return command


@pytest.fixture
def answered(monkeypatch) -> list[int]:
    """Numbers of prompts that the model was asked to continue."""
    from frozenvl.model.frozen import FrozenVL

    numbers: list[int] = []
    continuations = FrozenVL.continuations

    def counting(self, batch, *args, **options):
        numbers.append(len(batch))
        return continuations(self, batch, *args, **options)

    monkeypatch.setattr(FrozenVL, "continuations", counting)
    return numbers
