"""Fixtures for tests of evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from suites import copy_of, evaluate_in


@pytest.fixture(scope="session")
def tiny_trained(tiny_run):
    """Loaded model of a finished tiny run."""
    from frozenvl.training.trained_run import load_trained

    return load_trained(tiny_run)


@pytest.fixture(scope="session")
def headed(tmp_path_factory, tiny_language, tiny_vision, feature_home) -> Path:
    """Folder of a finished run with the embedding head `r`, trained by contrast and evaluated by `Retrieval`."""
    from running import Runs

    parts = {
        "heads": {"r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8}}},
        "objectives": {"contrastive": {"class_path": "frozenvl.objectives.Contrastive"}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("headed"))
        Path("parts.yaml").write_text(yaml.safe_dump({"model": parts}))
        none = ("--config", "parts.yaml", "--trainer.callbacks=frozenvl.evaluation.Retrieval")
        assert Runs(tiny_language, tiny_vision)("fit", *none, name="headed") == 0
        return Path("runs/headed").absolute()


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Path:
    """Copy of a trained run without evaluations."""
    monkeypatch.chdir(tmp_path)
    return copy_of(tiny_run, tmp_path / "run")


@pytest.fixture
def evaluate(run) -> Callable[..., int]:
    """Function that runs `frozenvl evaluate` on that run."""
    return evaluate_in(run)


@pytest.fixture
def answered(monkeypatch) -> list[int]:
    """Batch size of each call of `FrozenVL.continuations`."""
    from frozenvl.model.frozen import FrozenVL

    numbers: list[int] = []
    continuations = FrozenVL.continuations

    def counting(self, batch, *args, **options):
        numbers.append(len(batch))
        return continuations(self, batch, *args, **options)

    monkeypatch.setattr(FrozenVL, "continuations", counting)
    return numbers


@pytest.fixture(scope="session")
def chatting(tiny_trained):
    """The loaded model, with a chat template."""
    from copy import copy, deepcopy
    from dataclasses import replace

    processor = copy(tiny_trained.processor)
    processor.tokenizer = deepcopy(processor.tokenizer)
    processor.tokenizer.chat_template = (
        "{% for message in messages %}{{ message.role }}: {{ message.content }}<end>\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    return replace(tiny_trained, processor=processor)
