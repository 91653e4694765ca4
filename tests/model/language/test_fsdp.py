"""FSDP: layers of the frozen language model sharded across ranks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from running import add, checkpoint, history, one_line


@pytest.mark.parametrize(
    "tuning", [pytest.param((), marks=pytest.mark.nightly), ("--model.tuning", "frozenvl.model.tuning.LoRA")]
)
def test_a_sharded_language_model_trains_like_a_replicated_one(frozenvl, tuning):
    """Compares losses, weights and scores; in validation, ranks have different numbers of batches."""
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


def test_sharding_trained_weights_is_refused(frozenvl, capfd):
    options = ("--model.shard", "true", "--model.tuning", "frozenvl.model.tuning.Finetuned")
    assert frozenvl("fit", *options, ranks=2) == 2
    assert "all of them are trained" in one_line(capfd.readouterr().err)
    assert frozenvl("fit", "--model.shard", "true", "--model.precision", "auto") == 2
    assert "set model.precision" in one_line(capfd.readouterr().err)


def test_sharded_layers_do_not_go_with_an_objective_that_prepares_steps(frozenvl, capfd):
    heads = '{"r": {"class_path": "frozenvl.model.heads.Retrieval"}}'
    objectives = '{"c": {"class_path": "frozenvl.objectives.Contrastive"}}'
    asked = ("--model.heads", heads, "--model.objectives", objectives)
    assert frozenvl("fit", "--model.shard", "true", *asked) == 2
    assert "prepares a step; leave it out" in one_line(capfd.readouterr().err)
