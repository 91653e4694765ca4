"""Whole runs with tunings and other trained parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from running import add, checkpoint, history, one_line

from frozenvl.training.trained_run import load_trained

SHORT = ("--trainer.max_steps", 2, "--trainer.val_check_interval", 2)
TUNINGS = {
    "Finetuned": "language.",
    "LoRA": "lora_",
    "Adapters": "tuning.adapters.",
    "PromptTuning": "tuning.prompt.",
    "PrefixTuning": "tuning.encoder.",
}


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", TUNINGS)
def test_a_tuned_run_is_saved_and_loaded(frozenvl, name, precision):
    tuning = ("--model.tuning", f"frozenvl.model.tuning.{name}", "--model.precision", precision)
    assert frozenvl("fit", *SHORT, *tuning) == 0
    kept = checkpoint("tiny")["state_dict"]
    assert any(TUNINGS[name] in key for key in kept)
    assert name == "Finetuned" or not any("embed_tokens" in key for key in kept)
    assert all(value.dtype == torch.float32 for key, value in kept.items() if "num_batches" not in key)
    trained = load_trained(Path("runs/tiny"))
    state = trained.module.state_dict()
    assert state.keys() == kept.keys() and all(state[key].equal(kept[key]) for key in kept)
    captions = Path("runs/tiny/evaluation/captions/predictions.jsonl").read_bytes()
    assert frozenvl("validate", *tuning, "--ckpt_path", "runs/tiny/checkpoints/last.ckpt") == 0
    assert Path("runs/tiny/evaluation/captions/predictions.jsonl").read_bytes() == captions


@pytest.mark.parametrize("name", ["PromptTuning", "PrefixTuning", "LoRA"])
def test_a_blind_tuned_run_gives_one_caption_for_all_images(frozenvl, name):
    tuning = ("--model.tuning", f"frozenvl.model.tuning.{name}")
    assert frozenvl("fit", *SHORT, *tuning, "--data.blind", "true") == 0
    lines = Path("runs/tiny/evaluation/captions/predictions.jsonl").read_text().splitlines()
    assert len(lines) == 5 and len({json.loads(line)["text"] for line in lines}) == 1
    assert any(TUNINGS[name] in key for key in checkpoint("tiny")["state_dict"])


@pytest.mark.parametrize("name", ["PromptTuning", "PrefixTuning"])
def test_a_soft_prompt_counts_in_the_check_of_prompt_lengths(frozenvl, capfd, name):
    tuning = ("--model.tuning", f"frozenvl.model.tuning.{name}", "--model.tuning.length", 10)
    long = ("--trainer.callbacks", "[]", *add("frozenvl.evaluation.Captions", max_new_tokens=501))
    assert frozenvl("fit", *SHORT, *tuning, *long) == 2  # 10 and 2 for the image
    assert "its longest prompt takes 513 positions with the answer" in one_line(capfd.readouterr().err)


@pytest.mark.parametrize("name", ["LoRA", "PromptTuning"])
def test_one_and_two_ranks_have_the_same_gradient(frozenvl, name):
    tuning = ("--model.tuning", f"frozenvl.model.tuning.{name}", "--trainer.limit_val_batches", 0)
    once = ("--trainer.max_steps", 1, "--model.schedule", "constant", "--model.mapper.init_args.dropout", 0)
    for run, ranks in {"one": 1, "two": 2}.items():
        probe = add("probes.Gradients", file=f"{run}.pt")
        assert frozenvl("fit", *tuning, *once, *probe, name=run, ranks=ranks) == 0
    one, two = torch.load("one.pt"), torch.load("two.pt")
    assert one.keys() == two.keys() and any(TUNINGS[name] in key for key in one)
    for key in one:
        assert (one[key] - two[key]).norm() <= 1e-5 * one[key].norm(), key


def test_a_language_model_can_be_trained_from_scratch(frozenvl):
    scratch = ("--model.tuning", "frozenvl.model.tuning.Finetuned", "--model.language_pretrained", "false")
    assert frozenvl("fit", *SHORT, *scratch, "--trainer.limit_val_batches", 0) == 0
    assert frozenvl("fit", *SHORT, *scratch[:2], "--trainer.limit_val_batches", 0, name="plain") == 0
    assert history("tiny")[0]["train/loss"] != history("plain")[0]["train/loss"]
    kept, state = checkpoint("tiny")["state_dict"], load_trained(Path("runs/tiny")).module.state_dict()
    assert all(state[key].equal(kept[key]) for key in kept)


def test_frozen_random_weights_are_reproduced(frozenvl):
    random = ("--model.language_pretrained", "false", "--model.vision.init_args.pretrained", "false")
    assert frozenvl("fit", *SHORT, *random) == 0
    captions = Path("runs/tiny/evaluation/captions/predictions.jsonl").read_bytes()
    last = ("--ckpt_path", "runs/tiny/checkpoints/last.ckpt")
    assert frozenvl("validate", *random, *last, "--seed_everything", 5) == 0
    assert Path("runs/tiny/evaluation/captions/predictions.jsonl").read_bytes() == captions


def test_parts_can_have_their_own_learning_rates(frozenvl, capfd):
    tuning = ("--model.tuning", "frozenvl.model.tuning.PromptTuning", "--trainer.limit_val_batches", 0)
    fixed = ("--model.schedule", "constant", *add("probes.Rates", file="rates.json"))
    assert frozenvl("fit", *SHORT, *tuning, *fixed, "--model.rates", '{"tuning": 0.5}') == 0
    assert Path("rates.json").read_text() == '{"mapper": 0.01, "tuning": 0.5}'
    seen = ("--model.vision.init_args.trainable", "true", "--model.rates", '{"vision": 2e-06}')
    assert frozenvl("fit", *SHORT, *fixed, *seen, "--trainer.limit_val_batches", 0, name="magma") == 0
    assert json.loads(Path("rates.json").read_text()) == {"vision": 2e-6, "mapper": 0.01}
    assert frozenvl("fit", *SHORT, "--model.rates", '{"vision": 0.5}', name="wrong") == 2
    assert "model.rates names vision, but what is trained is mapper" in one_line(capfd.readouterr().err)
