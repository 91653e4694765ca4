"""Several ranks: synchronised weights, and trainer configurations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from processes import Process
from running import CONFIG, add, checkpoint, one_line

NO_VALIDATION = ("--trainer.limit_val_batches", 0)


def test_only_trained_weights_are_synchronised(frozenvl):
    """All weights differ between ranks at first; when training starts, only trained weights agree."""
    short = ("--trainer.max_steps", 1, *NO_VALIDATION, "--data.cache_features", "false")
    assert frozenvl("fit", *short, *add("probes.InStep", file="in-step"), ranks=2) == 0
    found = json.loads(Path("in-step").read_text())
    assert found["agree"] and all(name.startswith("model.mapper.") for name in found["agree"])
    assert {name.split(".")[1] for name in found["differ"]} == {"language", "vision"}
    assert found["reduced"] == found["agree"]


@pytest.mark.parametrize("kind", ["cpu", "ddp", "fsdp", "slurm"])
def test_trainer_configurations_can_be_added_to_a_configuration(frozenvl, kind):
    over = ("--config", CONFIG.parents[1] / "configs" / "trainer" / f"{kind}.yaml")
    here = ("--trainer.accelerator", "cpu", "--trainer.devices", 1, "--model.precision", "fp32")
    short = (*NO_VALIDATION, "--trainer.max_steps", 1)
    # In a new process, since the threads of the process group of one rank would break later forks.
    run = Process(lambda: frozenvl("fit", *over, *here, *short), Path("run.log"))
    assert run.wait() == 0, run.output()
    assert checkpoint("tiny")["global_step"] == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_error_line(frozenvl, capfd):
    assert frozenvl("fit", "--config", CONFIG.parents[1] / "configs" / "trainer" / "gpu.yaml") == 2
    assert "gpu" in one_line(capfd.readouterr().err).lower()
