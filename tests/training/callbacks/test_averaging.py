"""Weight averaging: what is averaged, evaluated, saved, exported and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from running import checkpoint, history, one_line, same_weights, score

from frozenvl.cli import main
from frozenvl.training.trained_run import load_trained

EMA = {"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging", "init_args": {"decay": 0.5}}
SWA = {
    "class_path": "lightning.pytorch.callbacks.StochasticWeightAveraging",
    "init_args": {"swa_lrs": 0.01, "swa_epoch_start": 2},
}
CAPTIONS = {
    "class_path": "frozenvl.evaluation.Captions",
    "init_args": {"task": "captions", "max_new_tokens": 5},
}


def callbacks(*classes: dict, **saving: object) -> list[str]:
    """Returns options with callbacks in place of the configuration's, and a ModelCheckpoint behind them."""
    settings = {"every_n_train_steps": 1, "save_last": True, "save_top_k": -1, "filename": "{step}"} | saving
    saved = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": settings}
    Path("callbacks.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [*classes, saved]}}))
    return ["--config", "callbacks.yaml"]


def raw_and_average(run: str, file: str) -> tuple[dict, dict]:
    held = checkpoint(run, file)
    return held["current_model_state"], held["state_dict"]


def test_the_average_of_trained_weights_is_evaluated_saved_and_resumed(frozenvl, capfd):
    """The callback stands before the benchmark: Lightning alone would then evaluate the raw weights."""
    options = ["--data.batch_size", 4, "--trainer.max_steps", 4, "--trainer.val_check_interval", 4]
    assert frozenvl("fit", *options, *callbacks(EMA, CAPTIONS)) == 0
    weights = [raw_and_average("tiny", f"step={step}.ckpt") for step in (1, 2, 3, 4)]
    assert all(key.startswith("model.mapper.") for pair in weights for state in pair for key in state)
    for key in weights[0][0]:
        expected = weights[0][0][key]
        for raw, average in weights[1:]:
            expected = 0.5 * expected + 0.5 * raw[key]
            assert torch.allclose(average[key], expected, atol=1e-7), key
    trained = sum(value.numel() * 4 for value in weights[0][0].values())
    size = Path("runs/tiny/checkpoints/last.ckpt").stat().st_size
    assert size < 4 * trained + 40_000  # weights, their average and AdamW's two moments; nothing frozen
    raw, average = weights[-1]
    assert not torch.equal(raw["model.mapper.net.1.weight"], average["model.mapper.net.1.weight"])

    # Scores are those of the average, which `caption`, `evaluate` and `export` load.
    trained = load_trained(Path("runs/tiny"))
    assert all(torch.equal(value, average[key]) for key, value in trained.module.state_dict().items())
    for name in ("captions", "perplexity"):
        assert score("tiny", name)["provenance"]["trained_weights"] == trained.module.trained_fingerprint()
    scored = {name: score("tiny", name)["scores"] for name in ("captions", "perplexity")}
    predictions = Path("runs/tiny/evaluation/captions/predictions.jsonl").read_text()
    assert frozenvl("validate", "--ckpt_path", "last", *callbacks(EMA, CAPTIONS)) == 0
    assert score("tiny", "captions")["scores"] == scored["captions"]
    assert score("tiny", "perplexity")["scores"] == pytest.approx(scored["perplexity"])
    assert Path("runs/tiny/evaluation/captions/predictions.jsonl").read_text() == predictions

    # A resumed run goes on from the raw weights.
    short = ["--data.batch_size", 4, "--model.schedule", "constant", "--trainer.limit_val_batches", 0]
    assert frozenvl("fit", *short, "--trainer.max_steps", 4, *callbacks(EMA), name="whole") == 0
    assert frozenvl("fit", *short, "--trainer.max_steps", 2, *callbacks(EMA), name="cut") == 0
    cut = raw_and_average("cut", "last.ckpt")
    assert not torch.equal(*(state["model.mapper.net.1.weight"] for state in cut))
    on = ["--trainer.max_steps", 4, "--resume", "true"]
    assert frozenvl("fit", *short, *on, *callbacks(EMA), name="cut") == 0
    assert history("cut") == history("whole")
    for one, other in zip(
        raw_and_average("cut", "last.ckpt"), raw_and_average("whole", "last.ckpt"), strict=True
    ):
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)

    # Without the callback training would go on from the average.
    capfd.readouterr()
    on = ["--trainer.max_steps", 6, "--resume", "true"]
    assert frozenvl("fit", *short, *on, *callbacks(), name="cut") == 2
    assert "its run averages weights, and this configuration does not" in one_line(capfd.readouterr().err)


def test_two_ranks_average_as_one(frozenvl):
    """They also resume, with checkpoints in another folder."""
    settings = ("--model.schedule", "constant", "--model.mapper.init_args.dropout", 0)
    settings += ("--trainer.val_check_interval", 2, "--trainer.max_steps")
    assert frozenvl("fit", *settings, 4, *callbacks(EMA, CAPTIONS), name="one") == 0
    there = callbacks(EMA, CAPTIONS, dirpath="disk")
    assert frozenvl("fit", *settings, 2, *there, name="two", ranks=2) == 0
    assert frozenvl("fit", *settings, 4, *there, "--resume", "true", name="two", ranks=2) == 0
    one, two = checkpoint("one"), torch.load("disk/last.ckpt", weights_only=True)
    for key in ("state_dict", "current_model_state"):
        assert all(torch.allclose(two[key][name], value, atol=1e-5) for name, value in one[key].items())
    assert score("two", "captions")["scores"] == score("one", "captions")["scores"]
    assert [row["step"] for row in history("two")] == [1, 2, 2, 3, 4, 4]


def test_an_average_that_has_not_begun_is_neither_evaluated_nor_saved(frozenvl):
    late = {**EMA, "init_args": {"decay": 0.5, "update_starting_at_step": 100}}
    options = ["--trainer.max_steps", 2, "--trainer.val_check_interval", 2]
    assert frozenvl("fit", *options, *callbacks(late)) == 0
    assert frozenvl("fit", *options, *callbacks(), name="plain") == 0
    assert same_weights(checkpoint("tiny"), checkpoint("plain"))
    assert history("tiny") == history("plain")


def test_checkpoints_of_weights_alone_hold_the_average(frozenvl):
    options = ["--trainer.max_steps", 3, "--trainer.limit_val_batches", 0]
    assert frozenvl("fit", *options, *callbacks(EMA, save_weights_only=True)) == 0
    assert frozenvl("fit", *options, *callbacks(EMA), name="whole") == 0
    assert same_weights(checkpoint("tiny"), checkpoint("whole"))
    assert "current_model_state" not in checkpoint("tiny")


def test_an_earlier_checkpoint_with_all_frozen_weights_loads_what_is_needed(frozenvl):
    """Before, the averaging callback put the whole model into its checkpoints."""
    options = ["--trainer.max_steps", 2, "--trainer.limit_val_batches", 0, "--model.schedule", "constant"]
    assert frozenvl("fit", *options, *callbacks(EMA)) == 0
    file = Path("runs/tiny/checkpoints/last.ckpt")
    held, module = checkpoint("tiny"), load_trained(Path("runs/tiny")).module
    frozen = {name: value + 1 for name, value in module.named_parameters() if not value.requires_grad}
    assert any("language" in name for name in frozen)
    kept = dict(held["state_dict"])
    held["state_dict"] |= {name: value.detach() for name, value in frozen.items()}
    torch.save(held, file)
    before = {name: value.clone() for name, value in module.named_parameters()}
    module.load_trained(file)
    assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())
    assert main(["export", "runs/tiny", "exported"]) == 0
    assert frozenvl("fit", *options, "--init_from", file, name="other") == 0
    on = ["--trainer.max_steps", 3, "--resume", "true"]
    assert frozenvl("fit", *options, *on, *callbacks(EMA)) == 0
    assert checkpoint("tiny")["state_dict"].keys() == kept.keys() and checkpoint("tiny")["global_step"] == 3


def test_stochastic_weight_averaging_saves_the_average_and_resumes(frozenvl):
    """An epoch is 15 steps; weights are averaged at the beginnings of the second and third."""
    options = ["--trainer.max_steps", -1, "--trainer.limit_val_batches", 0, "--model.schedule", "constant"]
    options += ["--trainer.max_epochs", 3, *callbacks(SWA)]
    assert frozenvl("fit", *options) == 0
    average = checkpoint("tiny")["state_dict"]
    starts = [checkpoint("tiny", f"step={step}.ckpt")["state_dict"] for step in (15, 30)]
    for key, value in average.items():
        assert torch.allclose(value, (starts[0][key] + starts[1][key]) / 2, atol=1e-6), key
        assert not value.equal(starts[1][key])
    assert (
        checkpoint("tiny")["callbacks"]["StochasticWeightAveraging"]["average_model_state"].keys()
        == average.keys()
    )
    assert frozenvl("fit", *options, "--trainer.max_steps", 20, name="cut") == 0
    assert checkpoint("cut")["global_step"] == 20
    assert frozenvl("fit", *options, "--resume", "true", name="cut") == 0
    assert same_weights(checkpoint("cut"), checkpoint("tiny"))


def test_a_stochastic_average_that_has_not_begun_replaces_nothing(frozenvl):
    late = {**SWA, "init_args": {"swa_lrs": 0.01, "swa_epoch_start": 50}}
    options = ["--trainer.max_steps", 2, "--trainer.limit_val_batches", 0]
    assert frozenvl("fit", *options, *callbacks(late)) == 0
    assert frozenvl("fit", *options, *callbacks(), name="plain") == 0
    assert same_weights(checkpoint("tiny"), checkpoint("plain"))


def test_stochastic_weight_averaging_of_trained_batch_norm_is_refused(frozenvl, capfd):
    trainable = ["--model.vision.init_args.trainable", "true", "--trainer.limit_val_batches", 0]
    options = ["--trainer.max_steps", -1, "--trainer.max_epochs", 2]
    assert frozenvl("fit", *trainable, *options, *callbacks(SWA)) == 2
    assert "cannot average a trained encoder with batch norm" in one_line(capfd.readouterr().err)
    assert not Path("runs/tiny/checkpoints").exists()
