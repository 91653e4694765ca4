"""Fusions inside the layers beside what else changes a language model or how it is run, in whole runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from fused_runs import ONLY_CHECKPOINTS, OPTIONS, fused, shaken
from running import add, checkpoint, fit_compiled, history, same_weights

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import Sample

SHORT = (
    *ONLY_CHECKPOINTS, "--trainer.max_steps", 2, "--trainer.limit_val_batches", 0, "--model.schedule", "constant"
)  # fmt: skip
FAST = ("--model.rates", '{"fusion": 0.1}')
WEIGHTS = {
    "LoRA": "lora_",
    "Adapters": "tuning.adapters.",
    "PromptTuning": "tuning.prompt.",
    "PrefixTuning": "tuning.encoder.",
}
"""Tuning → part of the names of its weights."""


@pytest.mark.parametrize("tuning", WEIGHTS)
@pytest.mark.parametrize("name", OPTIONS)
def test_beside_a_tuning_both_are_trained_exported_and_decoded(frozenvl, name, tuning):
    """Batched decoding with a cache equals decoding of single prompts, and likelihoods those of whole sequences."""
    asked = (*SHORT, *FAST, *fused(name), "--model.tuning", f"frozenvl.model.tuning.{tuning}")
    assert frozenvl("fit", *asked) == 0
    kept = torch.load(shaken("tiny"), weights_only=True)["state_dict"]
    assert any(WEIGHTS[tuning] in key for key in kept) and "model.fusion.tag" in kept
    assert main(["export", "runs/tiny/checkpoints/shaken.ckpt", "exported"]) == 0
    model, source = FrozenVL.from_pretrained("exported"), SceneCaptions("val", 5, resolution=64)
    assert all(kept[f"model.{key}"].equal(value) for key, value in model.trained_weights().items())
    processor = model.processor()
    prompts = [(source[index].image, "circle " * index + "a") for index in range(5)]
    said = model.generate(processor(prompts), processor, 6)
    assert said == [model.generate(processor([prompt]), processor, 6)[0] for prompt in prompts]
    ranked = model.rank_candidates(processor, prompts, [[" red"]] * 5)
    scores = model.score(processor([Sample("", prompt, " red") for prompt in prompts]))
    assert [row[0].logp for row in ranked] == pytest.approx(scores.tolist(), rel=1e-5)
    blind = model.score(processor([Sample("", prompt[1:], " red") for prompt in prompts]))
    assert (scores - blind).abs().min() > 1e-3


@pytest.mark.parametrize("name", OPTIONS)
def test_activation_checkpointing_gives_the_same_weights(frozenvl, name):
    asked = (*SHORT, *FAST, *fused(name), "--trainer.max_steps", 4)
    for run, recomputed in {"plain": "false", "less": "true"}.items():
        assert frozenvl("fit", *asked, "--model.checkpointing", recomputed, name=run) == 0
    assert history("plain") == history("less") and same_weights(checkpoint("plain"), checkpoint("less"))


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler (g++)")
@pytest.mark.nightly
@pytest.mark.parametrize("name", ["CrossAttention", "LayerPrefix"])
def test_compiled_layers_share_their_graphs_and_give_the_same_losses(frozenvl, name):
    """What a fusion computes before a layer is not compiled: it would be compiled anew for each layer."""
    asked = (*SHORT, *FAST, *fused(name))
    assert frozenvl("fit", *asked, name="plain") == 0
    status, graphs = fit_compiled(frozenvl, *asked)
    assert status == 0 and 0 < graphs <= 6
    plain, compiled = ([row["train/loss"] for row in history(run)] for run in ("plain", "compiled"))
    assert compiled == pytest.approx(plain, rel=1e-5) and len(plain) == 2


@pytest.mark.parametrize("name", OPTIONS)
def test_a_sharded_language_model_trains_like_a_replicated_one(frozenvl, name):
    asked = (*SHORT, *FAST, *fused(name), *add("probes.Held", file="held"))
    held = {}
    for run, shard in {"shared": "true", "whole": "false"}.items():
        assert frozenvl("fit", *asked, "--model.shard", shard, name=run, ranks=2) == 0
        held[run] = json.loads(Path("held").read_text())["frozen"]
    assert held["shared"] == pytest.approx(held["whole"] / 2, rel=0.01)
    assert history("shared") == history("whole") and same_weights(checkpoint("shared"), checkpoint("whole"))
