"""What a fit shows: the parts that are trained, and a line that counts optimiser steps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import ModelSummary, RichProgressBar, TQDMProgressBar
from running import add
from torch import nn, tensor

from frozenvl.training.callbacks.progress import Parts, StepBar, own_display, parts_line


def test_the_defaults_of_lightning_are_replaced_and_named_ones_stay():
    named, other = TQDMProgressBar(), SimpleNamespace()
    shown = own_display([RichProgressBar(), named, other, ModelSummary()], [named])
    assert isinstance(shown[0], StepBar) and shown[1] is named and shown[2] is other
    assert isinstance(shown[3], Parts)


def test_the_line_of_parts_counts_weights():
    model = nn.ModuleDict({"mapper": nn.Linear(999, 1000), "language": nn.Linear(1999, 1000)})
    model["language"].requires_grad_(False)
    assert parts_line(model) == "trained weights: mapper (1.0 M); frozen: language (2.0 M)"
    assert parts_line(model["language"].requires_grad_(True)).endswith("frozen: nothing")


def trainer(**values) -> SimpleNamespace:
    usual = {"estimated_stepping_batches": 5, "global_step": 0, "progress_bar_metrics": {}}
    return SimpleNamespace(**usual | {"sanity_checking": False, "num_val_batches": [2, 1]} | values)


def test_the_bar_counts_optimiser_steps_not_batches(capsys):
    bar = StepBar()
    run = trainer()
    bar.on_train_start(run, None)
    for run.global_step in (0, 1, 1, 2):  # two batches a step
        run.progress_bar_metrics = {"train/loss": tensor(1.5), "speed/pairs_per_second": tensor(30.0)}
        bar.on_train_batch_end(run, None, None, None, 0)
    assert bar._training.n == 2 and bar._training.total == 5
    bar.on_train_end(run, None)
    last = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    assert (
        last.startswith("training: 2/5 steps [")
        and last.endswith("loss 1.500, 30.0 pairs/s]")
        and len(last) < 80
    )


@pytest.mark.parametrize("total", [float("inf"), -1])
def test_a_fit_without_end_has_no_total(capsys, total):
    bar = StepBar()
    bar.on_train_start(trainer(estimated_stepping_batches=total, global_step=3), None)
    assert bar._training.n == 3 and bar._training.total is None
    bar.on_train_end()
    assert "training: 3 steps [" in capsys.readouterr().err


def test_validation_counts_the_batches_of_all_tasks(capsys):
    bar, run = StepBar(), trainer()
    bar.on_validation_start(run, None)
    for _ in range(3):
        bar.on_validation_batch_end(run, None, None, None, 0)
    bar.on_validation_end(run, None)
    assert "validation loss: 3/3 batches [" in capsys.readouterr().err


def test_other_ranks_show_nothing(capsys):
    bar, run = StepBar(), trainer()
    bar.disable()
    bar.on_train_start(run, None)
    bar.on_validation_start(run, None)
    bar.on_train_end()
    assert capsys.readouterr().err == ""


def test_a_fit_shows_its_parts_and_steps_and_no_table_of_lightning(frozenvl, capfd):
    shown = ("--trainer.enable_progress_bar", "true", "--trainer.enable_model_summary", "true")
    assert frozenvl("fit", *shown, "--trainer.max_steps", 2) == 0
    text = capfd.readouterr()
    assert "trained weights: mapper (" in text.out and "; frozen: language (" in text.out
    assert "training: 2/2 steps [" in text.err
    for unwanted in ("FLOP", "Epoch", "DataLoader", "Modules in train"):
        assert unwanted not in text.out + text.err


def test_a_bar_that_the_configuration_names_stays(frozenvl, capfd):
    bar = add("lightning.pytorch.callbacks.TQDMProgressBar")
    assert frozenvl("fit", "--trainer.enable_progress_bar", "true", *bar, "--trainer.max_steps", 2) == 0
    assert "Epoch 0" in capfd.readouterr().out
