"""Several ranks: what is kept in step, and what each holds of the frozen language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from processes import Process
from running import CONFIG, add, checkpoint, history, one_line

NO_VALIDATION = ("--trainer.limit_val_batches", 0)


def test_only_what_is_trained_is_kept_in_step(frozenvl):
    """Ranks whose weights all differ: once training starts, those that are trained agree, and no others."""
    short = ("--trainer.max_steps", 1, *NO_VALIDATION, "--data.cache_features", "false")
    assert frozenvl("fit", *short, *add("probes.InStep", file="in-step"), ranks=2) == 0
    found = json.loads(Path("in-step").read_text())
    assert found["agree"] and all(name.startswith("model.mapper.") for name in found["agree"])
    assert {name.split(".")[1] for name in found["differ"]} == {"language", "vision"}
    assert found["reduced"] == found["agree"]


@pytest.mark.parametrize("tuning", [(), ("--model.tuning", "frozenvl.model.tuning.LoRA")])
def test_a_shared_out_language_model_trains_as_a_whole_one(frozenvl, tuning):
    """Losses, weights and scores; validation, too, in which ranks go through it at different paces."""
    probe = add("probes.Held", file="held")
    assert frozenvl("fit", *tuning, *probe, "--model.shard", "true", name="shared", ranks=2) == 0
    share = json.loads(Path("held").read_text())
    assert frozenvl("fit", *tuning, *probe, name="whole", ranks=2) == 0
    whole = json.loads(Path("held").read_text())
    assert share["frozen"] == pytest.approx(whole["frozen"] / 2, rel=0.01)
    assert history("shared") == history("whole")
    one, other = checkpoint("shared")["state_dict"], checkpoint("whole")["state_dict"]
    assert one.keys() == other.keys()
    assert all(type(one[key]) is torch.Tensor and torch.equal(one[key], other[key]) for key in one)
    assert frozenvl("fit", *tuning, "--ckpt_path", "last", "--trainer.max_steps", 7, name="shared") == 0


def test_sharing_out_what_is_trained_is_refused(frozenvl, capfd):
    options = ("--model.shard", "true", "--model.tuning", "frozenvl.model.tuning.Finetuned")
    assert frozenvl("fit", *options, ranks=2) == 2
    assert "all of them are trained" in one_line(capfd.readouterr().err)
    assert frozenvl("fit", "--model.shard", "true", "--model.precision", "auto") == 2
    assert "set model.precision" in one_line(capfd.readouterr().err)


@pytest.mark.parametrize("kind", ["cpu", "ddp", "fsdp", "slurm"])
def test_the_trainers_are_laid_over_a_configuration(frozenvl, kind):
    over = ("--config", CONFIG.parents[1] / "configs" / "trainer" / f"{kind}.yaml")
    here = ("--trainer.accelerator", "cpu", "--trainer.devices", 1, "--model.precision", "fp32")
    short = (*NO_VALIDATION, "--trainer.max_steps", 1)
    # In a process of its own: a group of one rank stays behind, whose threads no later fork survives.
    run = Process(lambda: frozenvl("fit", *over, *here, *short), Path("run.log"))
    assert run.wait() == 0, run.said()
    assert checkpoint("tiny")["global_step"] == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_in_one_line(frozenvl, capfd):
    assert frozenvl("fit", "--config", CONFIG.parents[1] / "configs" / "trainer" / "gpu.yaml") == 2
    assert "gpu" in one_line(capfd.readouterr().err).lower()
