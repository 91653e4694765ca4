"""What tests of evaluation share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from suites import copy_of, evaluate_in


@pytest.fixture(scope="session")
def tiny_trained(tiny_run):
    """The model of a finished tiny run."""
    from frozenvl.training.trained_run import load_trained

    return load_trained(tiny_run)


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Path:
    """A copy of a trained run that nothing was evaluated on."""
    monkeypatch.chdir(tmp_path)
    return copy_of(tiny_run, tmp_path / "run")


@pytest.fixture
def evaluate(run) -> Callable[..., int]:
    """The command on that run."""
    return evaluate_in(run)


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
