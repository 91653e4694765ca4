"""The fit that a configuration describes."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, GPTJConfig

from frozenvl.model.batch import IGNORE
from frozenvl.plan.trace import Outline


def test_a_model_of_hugging_face_is_outlined_from_its_configurations(planned, tmp_path):
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
    assert "13 target tokens a pair" in it.assumed[0]  # for want of a tokeniser


def test_longer_data_is_seen(planned):
    long = planned("--data.train.vqa.weight", "9")
    short = planned("--data.train.vqa.weight", "1")
    mean = lambda it: sum(int(b.lengths.sum()) for b in it.batches(8))
    assert mean(long) != mean(short)
    fixed = planned()
    fixed.tokens = 5
    (batch,) = fixed.batches(8)
    assert batch.lengths.tolist() == [2 + 5 - 1] * 8 and int((batch.labels != IGNORE).sum()) == 8 * 5
