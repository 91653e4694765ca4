"""Text representations on disk: equal to those computed, found by text and settings, absent if they are trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from retrieval_models import WORDS, retrieval_model
from running import one_line

from frozenvl.model.heads.text_cache import cached_texts
from frozenvl.model.tuning import PromptTuning


def test_cached_representations_are_those_computed(tiny_language, tiny_vision, feature_home):
    model = retrieval_model(
        tiny_language, tiny_vision, pool="mean", layers=(1, 2), text="it shows {text}"
    ).eval()
    processor, head = model.processor(), model.heads["r"]
    plain = model.embed_texts(processor, WORDS)
    head.text_states = cached_texts(model, head, processor, WORDS)
    head.states_of = None  # a call would fail
    assert torch.allclose(model.embed_texts(processor, WORDS), plain, atol=1e-5)
    assert head.text_states([f"it shows {WORDS[0]}"]).shape == (1, 2, 32)
    assert head.text_states(["never seen", f"it shows {WORDS[0]}"]) is None


def test_other_settings_do_not_find_them(tiny_language, tiny_vision, feature_home):
    one, other = (
        retrieval_model(tiny_language, tiny_vision, pool="mean", layers=(layer,)).eval() for layer in (1, 2)
    )
    filled = cached_texts(one, one.heads["r"], one.processor(), WORDS)
    empty = cached_texts(other, other.heads["r"], other.processor(), [])
    assert filled([WORDS[0]]) is not None and empty([WORDS[0]]) is None


def test_trained_representations_are_not_cached(tiny_language, tiny_vision):
    model = retrieval_model(tiny_language, tiny_vision)
    assert cached_texts(model, model.heads["r"], model.processor(), WORDS) is None
    model = retrieval_model(tiny_language, tiny_vision, pool="mean")
    model.tuning = PromptTuning(2)
    assert cached_texts(model, model.heads["r"], model.processor(), WORDS) is None


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_reads_them_and_trains_alike(drilled, feature_home, ranks):
    head = {
        "class_path": "frozenvl.model.heads.Retrieval",
        "init_args": {"dim": 8, "pool": "mean", "layers": [1, 2]},
    }
    asked = (
        "--model.heads", json.dumps({"r": head}),
        "--model.objectives", json.dumps({"c": {"class_path": "frozenvl.objectives.Contrastive"}}),
        "--trainer.limit_val_batches", 0, "--trainer.max_steps", 2,
    )  # fmt: skip
    weights = []
    for cached in ("true", "false"):
        assert (
            drilled("fit", *asked, "--data.cache_features", cached, name=f"{cached}{ranks}", ranks=ranks) == 0
        )
        path = Path(f"runs/{cached}{ranks}/checkpoints/last.ckpt")
        weights.append(torch.load(path, weights_only=True)["state_dict"])
    for name, weight in weights[0].items():
        assert torch.allclose(weight, weights[1][name], atol=2e-4), name


def test_statistics_of_the_training_data_are_measured_at_the_start_and_kept(drilled, feature_home, capfd):
    settings = {"dim": 8, "pool": "mean", "layers": [1, 2], "standardize": True}
    head = {"class_path": "frozenvl.model.heads.Retrieval", "init_args": settings}
    asked = (
        "--model.heads", json.dumps({"r": head}),
        "--model.objectives", json.dumps({"c": {"class_path": "frozenvl.objectives.Contrastive"}}),
        "--trainer.limit_val_batches", 0,
    )  # fmt: skip
    kept = []
    for name, ranks in (("one", 1), ("two", 2)):
        assert drilled("fit", *asked, "--trainer.max_steps", 1, name=name, ranks=ranks) == 0
        kept.append(torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"])
    names = [name for name in kept[0] if "standardize" in name]
    assert len(names) == 4 and all(torch.equal(kept[0][name], kept[1][name]) for name in names)
    assert all((kept[0][name] != (1 if "deviation" in name else 0)).any() for name in names)

    other = (
        "--data.train.captions.source.init_args.size",
        3,
        "--init_from",
        "runs/one/checkpoints/last.ckpt",
    )
    assert drilled("fit", *asked, *other, "--trainer.max_steps", 1, name="started") == 0
    started = torch.load("runs/started/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(kept[0][name], started[name]) for name in names)

    capfd.readouterr()
    assert drilled("fit", *asked, "--data.cache_features", "false", name="uncached") == 2
    assert "standardize needs cached image features" in one_line(capfd.readouterr().err)
