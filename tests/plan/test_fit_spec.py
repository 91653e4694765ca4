"""Models, sizes and batches of the fit that a configuration describes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, GPTJConfig

from frozenvl.model.batch import IGNORE
from frozenvl.plan.fit_spec import unloaded
from frozenvl.plan.trace import Outline
from frozenvl.util.errors import UserError


def test_a_hugging_face_model_needs_only_its_configurations(planned, tmp_path):
    folder: Path = tmp_path / "clip"
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=64,
        patch_size=16,
    )
    config.save_pretrained(folder)
    CLIPImageProcessor(size=64, crop_size=64).save_pretrained(folder)
    GPTJConfig(n_embd=32, n_layer=3, n_head=4, rotary_dim=4, vocab_size=99).save_pretrained(tmp_path / "gptj")
    vision = [
        "--model.vision",
        "frozenvl.model.vision.HFEncoder",
        "--model.vision.init_args.name",
        str(folder),
    ]
    it = planned(*vision, "--model.language", str(tmp_path / "gptj"), "--data.cache_features", "false")
    outline = Outline(it.outlined.model)
    expected = CLIPVisionModel(config)
    assert sum(p.numel() for p in outline.model.vision.parameters()) == sum(
        p.numel() for p in expected.parameters()
    )
    assert len(outline.model.language.layers) == 3
    assert outline.step(it.batches(4)[0]).operations > 0
    assert "13 target tokens a pair" in it.assumed[0]  # since there is no tokeniser


def test_longer_data_gives_longer_batches(planned):
    long = planned("--data.train.vqa.weight", "9")
    short = planned("--data.train.vqa.weight", "1")
    mean = lambda it: sum(int(b.lengths.sum()) for b in it.batches(8))
    assert mean(long) != mean(short)
    (batch,) = planned(tokens=5).batches(8)
    assert batch.lengths.tolist() == [2 + 5 - 1] * 8 and int((batch.labels != IGNORE).sum()) == 8 * 5


def test_without_data_the_text_behind_an_image_sees_it(planned):
    """Fusions inside the layers have one position for an image, and work for each position that sees it."""
    fusion = ("--model.fusion", "frozenvl.model.fusion.CrossAttention", "--model.fusion.every", "1")
    it = planned(*fusion, tokens=5)
    (batch,) = it.batches(8)
    assert batch.lengths.tolist() == [5] * 8 and (batch.slots >= 0).sum() == 8
    assert batch.image_of.tolist() == [[row] * 5 for row in range(8)]
    outline = Outline(it.outlined.model)
    unseen = replace(batch, image_of=torch.full_like(batch.image_of, -1))
    assert outline.step(batch).operations > 1.2 * outline.step(unseen).operations


def test_sizes_come_from_the_configuration(planned):
    it = planned("--trainer.accumulate_grad_batches", "2", "--trainer.max_steps", "7")
    assert (it.batch_size, it.accumulated, it.steps) == (8, 2, 7)
    assert planned(pairs=100).steps == 13
    assert planned("--trainer.max_steps", "-1").steps is None


def test_training_batches_hold_features_if_these_are_cached(planned):
    assert planned().stage == "features"
    assert planned("--data.cache_features", "false").stage == "pixels"
    assert planned("--model.vision.init_args.trainable", "true").stage == "pixels"
    assert planned("--data.cache_features", "false").unread(range(3)).shape == (3, 3, 64, 64)


def test_the_feature_cache_of_a_fit_and_its_limit(planned, tmp_path, monkeypatch):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    planned_fit = planned("--model.feature_cache_gb", "0.001")
    budget = planned_fit.feature_budget
    assert budget.images == planned_fit.images > 8 and budget.limit == 10**6
    vision = planned_fit.outlined.model.vision
    itemsize = 2 if planned_fit.precision == "bf16" else 4
    assert budget.row == vision.tokens * vision.channels * itemsize
    assert planned("--data.cache_features", "false").feature_budget is None
    assert planned(tokens=5).feature_budget is None
    with pytest.raises(UserError, match=r"^model.feature_cache_gb is 1e\+09, but .* has room for"):
        _ = planned("--model.feature_cache_gb", "1e9").feature_budget


def test_a_head_that_reads_all_features_needs_room_for_them(planned):
    head = {
        "class_path": "frozenvl.model.heads.Retrieval",
        "init_args": {"pool": "mean", "standardize": True, "dim": 8},
    }
    options = ("--model.heads", json.dumps({"ret": head}), "--model.feature_cache_gb", "0")
    with pytest.raises(UserError, match=r"^model.heads.ret reads the features of all \d+ images"):
        _ = planned(*options).feature_budget


def test_a_shorter_model_has_only_the_first_layers(planned):
    it = planned()
    whole, shorter = it.module(), it.module(layers=1)
    assert (len(whole.model.language.layers), len(shorter.model.language.layers)) == (2, 1)
    missing = {name for name, _ in whole.named_parameters()} - {
        name for name, _ in shorter.named_parameters()
    }
    assert missing and all(".layers.1." in name for name in missing)
    assert all(weight.is_meta for weight in it.outlined.parameters())


def test_an_encoder_without_weights_keeps_its_training_behaviour():
    timm = {"class_path": "frozenvl.model.vision.TimmEncoder", "init_args": {"name": "x"}}
    assert unloaded(timm)["init_args"] == {"name": "x", "pretrained": False, "moving_statistics": False}
    random = timm | {"init_args": {"name": "x", "pretrained": False}}
    assert unloaded(random)["init_args"]["moving_statistics"] is True
    told = timm | {"init_args": {"name": "x", "moving_statistics": True}}
    assert unloaded(told)["init_args"]["moving_statistics"] is True
    torchvision = {
        "class_path": "frozenvl.model.vision.TorchvisionEncoder",
        "init_args": {"weights": "DEFAULT"},
    }
    assert unloaded(torchvision)["init_args"]["weights"] is None
    assert timm["init_args"] == {"name": "x"}  # not changed


def test_the_error_of_a_missing_language_model_says_that_a_configuration_suffices(planned):
    with pytest.raises(UserError, match=r"'/nowhere/at/all': .*; to plan, a folder that holds nothing but"):
        planned("--model.language", "/nowhere/at/all")
