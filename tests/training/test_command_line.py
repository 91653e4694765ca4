"""Runs from Lightning's command line: their saved configuration, and errors in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from running import add, one_line

from frozenvl.cli import main
from frozenvl.training.command_line import LEFT
from frozenvl.training.trained_run import read_config


def test_all_files_of_a_fit_are_listed_for_overwriting(tiny_run):
    kept = {"config.yaml", "hparams.yaml"}  # rewritten, and an empty file of the logger
    there = {path.name for path in Path(tiny_run).iterdir() if not path.name.startswith("events.")}
    assert there - kept <= set(LEFT)


def test_a_run_with_a_literal_interpolation_is_saved_and_repeated(frozenvl, capsys):
    """The subcommand's parser resolves interpolations once more."""
    words = [r"--data.val.captions.template.query=\${{price}} {image}"]
    words += [r"--data.val.captions.template.induction=\${name} $5 "]
    assert frozenvl("fit", *words, "--trainer.max_steps", 3) == 0
    template = read_config(Path("runs/tiny"))["data"]["val"]["captions"]["template"]
    assert (template["query"], template["induction"]) == ("${{price}} {image}", "${name} $5 ")
    saved = Path("runs/tiny/config.yaml").read_text()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["fit", "--config", "runs/tiny/config.yaml", "--print_config"])
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(saved)
    Path("again.yaml").write_text(saved)
    assert main(["fit", "--config", "again.yaml", "--name", "again"]) == 0
    assert read_config(Path("runs/again"))["data"] == read_config(Path("runs/tiny"))["data"]


def test_a_timer_is_saved_with_the_configuration(frozenvl):
    """Its `interval` has a default that YAML does not know."""
    timer = add("lightning.pytorch.callbacks.Timer", duration="00:00:10:00")
    assert frozenvl("fit", *timer, "--trainer.max_steps", 1, "--trainer.limit_val_batches", 0) == 0
    assert "interval: step" in Path("runs/tiny/config.yaml").read_text()


def test_a_callback_that_refuses_its_arguments_is_one_error_line(frozenvl, capfd):
    finder = add("lightning.pytorch.callbacks.LearningRateFinder", mode="steep")
    assert frozenvl("fit", *finder) == 2
    line = one_line(capfd.readouterr().err)
    assert line == (
        "a Callback in the configuration refuses its arguments: `mode` should be either of ('linear', 'exponential')"
    )
