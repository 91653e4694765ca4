"""Objectives that read the language model several times, with fusions inside its layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from divided_steps import PLAIN
from fused_runs import fused, shaken
from running import add, history

from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.training.trained_run import load_trained

pytest.importorskip("sacrebleu")  # its characters are words that untrained models sample, too

SOURCE = {
    "class_path": "frozenvl.data.sources.scenes.SceneCaptions",
    "init_args": {"split": "train", "size": 8, "resolution": 64},
}
HEADS = {
    "r": {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 8, "images": "prompt"}},
    "m": {"class_path": "frozenvl.model.heads.Matching"},
}
OBJECTIVES = {
    "captions": {"class_path": "frozenvl.objectives.Captioning"},
    "pairs": {"class_path": "frozenvl.objectives.Contrastive", "init_args": {"head": "r"}},
    "match": {"class_path": "frozenvl.objectives.Matching", "init_args": {"head": "m"}},
    "scst": {
        "class_path": "frozenvl.objectives.SelfCritical",
        "init_args": {"samples": 3, "max_new_tokens": 6, "tokenizer": "char"},
    },
}
ASKED = (
    *PLAIN, "--model.heads", json.dumps(HEADS), "--model.objectives", json.dumps(OBJECTIVES),
    "--data.train", json.dumps({"captions": {"source": SOURCE}}), "--trainer.callbacks", "[]", "--data.batch_size", 8,
)  # fmt: skip
CHECKPOINT = add("lightning.pytorch.callbacks.ModelCheckpoint", every_n_train_steps=1, save_last="true")


@pytest.fixture(scope="module", params=["CrossAttention", "LayerPrefix"])
def trained(request, drilled) -> tuple[str, Path]:
    """Name of a fusion, and the shaken checkpoint of a run of one step with it and all objectives."""
    name = request.param
    assert drilled("fit", *ASKED, *CHECKPOINT, *fused(name), name=name) == 0
    return name, shaken(name)


def test_one_gradient_of_all_objectives_however_a_step_is_divided(drilled, trained):
    name, file = trained
    asked = (*ASKED, *fused(name), "--init_from", file, "--overwrite", "true")
    gradients, rows = [], []
    for ranks, accumulate in ((1, 1), (2, 2)):
        cut = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.val_check_interval", accumulate)
        probe = add("probes.Gradients", file="gradients.pt")
        assert drilled("fit", *asked, *cut, *probe, ranks=ranks) == 0
        gradients.append(torch.load("gradients.pt"))
        rows.append(history("tiny")[0])
    one, other = gradients
    assert one.keys() == other.keys()
    for key, gradient in one.items():
        assert (gradient - other[key]).norm() <= 1e-4 * gradient.norm() > 0, key
    sampled = (f"scst_{key}" for key in ("reward", "baseline", "length", "distinct"))
    for key in ("loss", *OBJECTIVES, *sampled):
        one, other = (row[f"train/{key}"] for row in rows)
        assert one == pytest.approx(other, rel=1e-5, abs=1e-9) and one, key


def test_embeddings_and_odds_do_not_depend_on_the_other_rows(trained):
    model, processor = load_trained(trained[1]).module.model, load_trained(trained[1]).processor
    source = SceneCaptions("val", 5, resolution=64)
    pairs = [(source[index].image, source[(index * 2) % 5].targets[0]) for index in range(5)]
    images = [image for image, _ in pairs]
    odds = model.match(processor, pairs, batch_size=5)
    assert torch.allclose(odds, model.match(processor, pairs, batch_size=1), rtol=1e-5, atol=1e-5)
    whole = model.embed_images(processor, images, batch_size=5)
    assert torch.allclose(whole, model.embed_images(processor, images, batch_size=2), rtol=1e-5, atol=1e-5)
    assert odds.std() > 1e-3 and torch.pdist(whole).min() > 1e-3
