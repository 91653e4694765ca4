"""Validation losses of a run as a score file."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import history, one_line, score

from frozenvl.evaluation.score_file import Score, read_score
from frozenvl.training.callbacks.perplexity import Perplexity
from frozenvl.training.trained_run import load_trained


def test_perplexity_is_saved_as_a_score(tiny_run):
    kept = score(tiny_run, "perplexity")
    last = [row for row in history(tiny_run) if "val/perplexity" in row][-1]
    assert kept["scores"]["perplexity"] == last["val/perplexity"]
    assert kept["scores"]["perplexity"] == pytest.approx(math.exp(kept["scores"]["loss"]), rel=1e-5)
    (main,) = (metric for metric in kept["metrics"] if metric["main"])
    assert (main["name"], main["better"], kept["step"], kept["partial"]) == ("perplexity", "lower", 6, False)
    assert kept["samples"] == kept["of"] > 12
    around = kept["provenance"]
    assert around["model"]["k"] == 2 and around["templates"]["vqa"]["target"] == " {target}"


@pytest.mark.parametrize("command", ["validate", "test"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_validate_and_test_save_the_same_score(frozenvl, tiny_run, command, ranks):
    last = tiny_run / "checkpoints" / "last.ckpt"
    assert frozenvl(command, "--ckpt_path", last, name="again", ranks=ranks) == 0
    kept, expected = score("again", "perplexity"), score(tiny_run, "perplexity")
    assert kept.pop("scores") == pytest.approx(expected.pop("scores"), rel=1e-5)
    assert kept == expected


def test_partial_scores_are_marked_and_the_sanity_check_saves_nothing(frozenvl):
    part = ("--trainer.limit_val_batches", 1, "--trainer.max_steps", 1, "--trainer.num_sanity_val_steps", 1)
    assert frozenvl("fit", *part, "--trainer.val_check_interval", 2) == 0
    assert not Path("runs/tiny/evaluation/perplexity").exists()
    at = ("--ckpt_path", "runs/tiny/checkpoints/last.ckpt", "--trainer.limit_val_batches", 1)
    assert frozenvl("validate", *at) == 0
    kept = score("tiny", "perplexity")
    assert (kept["samples"], kept["partial"]) == (3, True) and kept["of"] > 3


def test_a_run_without_benchmarks_can_be_reported(frozenvl, capfd):
    from frozenvl.cli import main

    assert frozenvl("fit", "--trainer.callbacks", "[]", "--trainer.max_steps", 3) == 0
    assert main(["report", "runs/tiny"]) == 0
    out = capfd.readouterr().out
    assert "perplexity" in out and "trained parameters" in out and "pairs seen" in out
    Path("runs/tiny/cost.json").write_text('{"pairs": "many"}')
    assert main(["report", "runs/tiny"]) == 2
    assert "cost.json: not a cost.json" in one_line(capfd.readouterr().err)


def validated(folder: Path, tiny_run: Path, logged: dict[str, float], **others: object) -> Score | None:
    """Runs the callbacks of a validation of four pairs, one of them unreadable; returns the saved score."""
    trainer = SimpleNamespace(
        default_root_dir=str(folder),
        callback_metrics=logged,
        is_global_zero=True,
        sanity_checking=False,
        global_step=0,
        val_dataloaders=SimpleNamespace(dataset=range(4)),
        datamodule=SimpleNamespace(blind=False, scaled_decoding=True, eval_batch_size=2, val={}),
    )
    vars(trainer).update(others)
    callback, module = Perplexity(), load_trained(tiny_run).module
    callback.on_validation_start(trainer, module)
    for pairs in (["d", "a"], ["b"]):
        batch = SimpleNamespace(samples=pairs)
        callback.on_validation_batch_end(trainer, module, None, batch, 0)
    callback.on_validation_end(trainer, module)
    file = folder / "evaluation" / "perplexity" / "score.json"
    return read_score(file) if file.is_file() else None


def test_without_perplexity_the_first_loss_is_the_main_score(tmp_path, tiny_run):
    """No objective has a perplexity here; other losses are saved, but not shown in tables."""
    kept = validated(tmp_path, tiny_run, {"val/near": 0.5, "val/loss": 0.25, "train/loss": 9.0})
    assert kept.scores == {"near": 0.5, "loss": 0.25}
    assert (kept.main, kept.shown) == ("loss", ["loss"])
    assert kept.metric("near").better == "lower"


def test_unreadable_pairs_make_the_score_partial(tmp_path, tiny_run):
    kept = validated(tmp_path, tiny_run, {"val/perplexity": 4.0, "val/loss": math.log(4)})
    assert (kept.samples, kept.of, kept.partial) == (3, 4, True)
    assert (kept.main, kept.shown) == ("perplexity", ["perplexity"])


@pytest.mark.parametrize(
    "others",
    [{"is_global_zero": False}, {"sanity_checking": True}, {"callback_metrics": {"train/loss": 1.0}}],
)
def test_other_ranks_and_validations_without_a_loss_write_nothing(tmp_path, tiny_run, others):
    assert validated(tmp_path, tiny_run, {"val/loss": 1.0}, **others) is None
